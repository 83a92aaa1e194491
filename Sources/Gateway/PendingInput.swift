import NIOCore

/// Bytes that are no whole message yet, or that came while reading was paused.
///
/// A received buffer is left to the channel, which uses it for the next read; hence the copies. Storage that was made for
/// a large message stays in use until it is whole, so that one that arrives in many reads is not copied with each of them.
/// Empty, it has none: most messages come whole.
struct PendingInput {
    private(set) var bytes = ByteBuffer()

    var isEmpty: Bool { bytes.readableBytes == 0 }

    mutating func append(_ more: inout ByteBuffer) { bytes.writeBuffer(&more) }

    /// All of it, to be read on; what is left over comes back through `putBack` or `keep`.
    mutating func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &bytes)
        return taken
    }

    /// The rest of what `take` gave, storage and all. Only where nothing came meanwhile.
    mutating func putBack(_ rest: ByteBuffer) {
        bytes = rest
        trim()
    }

    /// Stores what was not consumed, before anything that arrived meanwhile.
    mutating func keep(_ unused: ByteBuffer) {
        var rest = unused
        if bytes.readableBytes == 0 {
            if rest.readableBytes > 0 { bytes.writeBuffer(&rest) }
        } else if rest.readableBytes > 0 {
            rest.writeBuffer(&bytes)
            bytes = rest
        }
        trim()
    }

    mutating func discard() { bytes = ByteBuffer() }

    private mutating func trim() {
        if bytes.readableBytes == 0, bytes.capacity > 0 { bytes = ByteBuffer() }
    }
}
