/// Writes text as the inside of a JSON string.
enum JSONEscaping {
    private static let upperDigits = Array("0123456789ABCDEF".utf8)
    private static let lowerDigits = Array("0123456789abcdef".utf8)

    /// Appends one scalar, escaped only where JSON requires it.
    static func appendRequired(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        switch scalar {
        case "\"": bytes.append(contentsOf: [0x5C, 0x22])
        case "\\": bytes.append(contentsOf: [0x5C, 0x5C])
        case "\n": bytes.append(contentsOf: [0x5C, 0x6E])
        case "\r": bytes.append(contentsOf: [0x5C, 0x72])
        case "\t": bytes.append(contentsOf: [0x5C, 0x74])
        case _ where scalar.value < 0x20: appendUnit(UInt16(scalar.value), uppercase: false, to: &bytes)
        default: bytes.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
        }
    }

    /// Appends one UTF-16 code unit as `\uXXXX`.
    static func appendUnit(_ unit: UInt16, uppercase: Bool, to bytes: inout [UInt8]) {
        let digits = uppercase ? upperDigits : lowerDigits
        bytes.append(contentsOf: [0x5C, 0x75])
        for shift in [12, 8, 4, 0] {
            bytes.append(digits[Int(unit >> UInt16(shift)) & 0xF])
        }
    }

    /// The text as the inside of a JSON string.
    static func escaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 8)
        for scalar in text.unicodeScalars {
            appendRequired(scalar, to: &bytes)
        }
        return bytes
    }

    /// The text as a JSON string with its quotes.
    static func quoted(_ text: String) -> [UInt8] {
        [0x22] + escaped(text) + [0x22]
    }
}
