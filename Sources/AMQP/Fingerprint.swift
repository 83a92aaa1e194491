/// A 64-bit FNV-1a hash, for matching a returned message to the one that was published. Not for anything secret.
struct Fingerprint: Sendable, Equatable {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    init() {}

    init(exchange: String, routingKey: String) {
        for byte in exchange.utf8 { combine(byte: byte) }
        // 0xFF occurs in no UTF-8: ("a", "b") and ("ab", "") differ.
        combine(byte: 0xFF)
        for byte in routingKey.utf8 { combine(byte: byte) }
        combine(byte: 0xFF)
    }

    mutating func combine(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

    mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { combine(byte: byte) }
    }

    mutating func combine(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            combine(byte: UInt8(truncatingIfNeeded: number >> shift))
        }
    }
}
