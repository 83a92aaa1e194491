/// A piece of a message: 8 bytes, so that a scan result stays in registers and cache lines.
public struct ByteRange: BitwiseCopyable, Sendable, Equatable {
    public var start: UInt32
    public var count: UInt32

    public static let empty = ByteRange(start: 0, count: 0)

    @inlinable
    public init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// - Precondition: both are offsets in a message under 4 GiB, `start <= end`.
    @inlinable
    init(from start: Int, to end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: end &- start)
    }

    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var end: Int { Int(start) &+ Int(count) }
}

extension UnsafeRawBufferPointer {
    /// The bytes of a range that a scan of this very buffer found.
    @inlinable
    public subscript(_ range: ByteRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Int(range.start)..<range.end])
    }
}
