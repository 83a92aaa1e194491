/// FNV-1a, 64 bits: the same in every process, and in every version of the worker, since workers tell each other by it
/// which message was seen through. It takes a nanosecond or two for each byte, so it is computed as the frames of a body
/// come, on the consumer's thread, and not where tokens wait for it.
public struct BodyHash: Sendable {
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    public init(of bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var hash = value
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        value = hash
    }
}
