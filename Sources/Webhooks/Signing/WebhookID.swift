internal import Crypto

/// The `webhook-id`: what a receiver recognizes a repeated delivery by.
public enum WebhookID {
    /// The same for ever for (customer, job): on every try, replay, worker and version. Changing anything here makes
    /// receivers take old results for new ones.
    ///
    /// `msg_` and 32 characters of base32 (lower case): the first 160 bits of a SHA-256 over both, each after its
    /// length, so that no two pairs are the same bytes. Without a `.`, which separates the signed parts.
    public static func derive(customer: String, job: String) -> String {
        var hash = SHA256()
        hash.update(data: Array("chat-worker.webhook-id.1".utf8))
        for part in [customer, job] {
            let bytes = Array(part.utf8)
            hash.update(data: withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { Array($0) })
            hash.update(data: bytes)
        }
        return "msg_" + Self.base32(Array(hash.finalize().prefix(20)))
    }

    /// RFC 4648 section 6 in lower case, for whole groups of 5 bytes.
    private static func base32(_ bytes: [UInt8]) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 5) {
            let group = bytes[start...].prefix(5).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            for index in 0..<8 { text.append(alphabet[Int(group >> (35 - 5 * UInt64(index)) & 31)]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
