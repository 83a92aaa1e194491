import NIOCore

/// Bytes that are no whole message yet, or that came while reading was paused.
///
/// A received buffer is left to the channel, which uses it for the next read; hence the copies. Storage that was made for
/// a large message stays in use until it is whole, so that one that arrives in many reads is not copied with each of them.
struct PendingInput {
    /// A buffer over this size is given back once it is empty.
    private static let keptCapacity = 4096

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
            bytes.clear()
            bytes.writeBuffer(&rest)
        } else if rest.readableBytes > 0 {
            rest.writeBuffer(&bytes)
            bytes = rest
        }
        trim()
    }

    mutating func discard() { bytes = ByteBuffer() }

    /// A quiet connection keeps no large buffer.
    private mutating func trim() {
        guard bytes.readableBytes == 0 else { return }
        if bytes.capacity > Self.keptCapacity { bytes = ByteBuffer() } else { bytes.clear() }
    }
}
