/// Frames on their way to the socket. Its memory is used again; what grew over `keptCapacity` is given back.
struct FrameBuffer: ~Copyable {
    private static let keptCapacity = 256 << 10

    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// What is sent already.
    private var start = 0
    private var end = 0

    deinit { memory.deallocate() }

    /// Bytes that wait.
    var count: Int { end &- start }
    var isEmpty: Bool { end == start }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(rebasing: memory[start..<end]))
    }

    mutating func removeFirst(_ count: Int) {
        start = min(start &+ count, end)
        if isEmpty { removeAll() }
    }

    mutating func removeAll() {
        (start, end) = (0, 0)
        guard memory.count > Self.keptCapacity else { return }
        memory.deallocate()
        memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// One message: its two frames, and its body in as many as it needs.
    /// - Parameter frameMax: of the connection; bytes of a whole frame.
    mutating func append(
        _ template: PublishTemplate, body: UnsafeRawBufferPointer, mandatory: Bool, frameMax: Int
    ) {
        let room = max(1, frameMax &- FrameWriter.overhead)
        let frames = (body.count &+ room &- 1) / room
        reserve(template.size &+ body.count &+ frames &* FrameWriter.overhead)
        guard let base = memory.baseAddress else { return }
        template.write(to: base + end, bodySize: body.count, mandatory: mandatory)
        end &+= template.size
        var offset = 0
        while offset < body.count, let source = body.baseAddress {
            let size = min(room, body.count &- offset)
            let frame = base + end
            frame.storeBytes(of: FrameWriter.body, as: UInt8.self)
            (frame + 1).storeBytes(of: BrokerLink.channel.bigEndian, as: UInt16.self)
            (frame + 3).storeBytes(of: UInt32(truncatingIfNeeded: size).bigEndian, as: UInt32.self)
            (frame + 7).copyMemory(from: source + offset, byteCount: size)
            (frame + 7 + size).storeBytes(of: FrameWriter.endMark, as: UInt8.self)
            end &+= size &+ FrameWriter.overhead
            offset &+= size
        }
    }

    private mutating func reserve(_ more: Int) {
        guard end &+ more > memory.count else { return }
        let grown = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(4096, memory.count &* 2, count &+ more), alignment: 8)
        grown.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<end]))
        memory.deallocate()
        memory = grown
        (start, end) = (0, count)
    }
}
