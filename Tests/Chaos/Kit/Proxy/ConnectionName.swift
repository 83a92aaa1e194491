/// What an AMQP client calls its connection (`connection_name` in connection.start-ok), read out of its first bytes.
package enum ConnectionName {
    /// A client that has not said it within so many bytes does not say it.
    static let limit = 16_384

    private static let key = Array("connection_name".utf8) + [UInt8(ascii: "S")]

    /// `nil` where it is not there, or not whole yet.
    package static func find(in bytes: [UInt8]) -> String? {
        guard bytes.count > key.count + 4 else { return nil }
        for start in 0..<(bytes.count - key.count - 4) where bytes[start] == key[0] {
            let end = start + key.count
            guard bytes[start..<end].elementsEqual(key) else { continue }
            let length = bytes[end..<(end + 4)].reduce(0) { $0 << 8 | Int($1) }
            guard length <= limit, end + 4 + length <= bytes.count else { return nil }
            return String(decoding: bytes[(end + 4)..<(end + 4 + length)], as: UTF8.self)
        }
        return nil
    }
}
