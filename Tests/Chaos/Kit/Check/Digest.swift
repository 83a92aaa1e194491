internal import Crypto

/// SHA-256 as the contract writes it.
enum Digest {
    static func hexadecimal(_ text: String) -> String {
        let digits = Array("0123456789abcdef")
        return String(SHA256.hash(data: Array(text.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
