/// Hexadecimal digits, both cases.
enum HexDigit {
    @inline(__always)
    static func value(_ byte: UInt8) -> UInt16? {
        switch byte {
        case 0x30...0x39: UInt16(byte &- 0x30)
        case 0x41...0x46: UInt16(byte &- 0x37)
        case 0x61...0x66: UInt16(byte &- 0x57)
        default: nil
        }
    }

    /// The value of the four digits at `start`, or `nil` where there are not four.
    static func unit(_ bytes: UnsafeRawBufferPointer, at start: Int) -> UInt16? {
        guard start &+ 4 <= bytes.count else { return nil }
        var unit: UInt16 = 0
        for index in start..<(start &+ 4) {
            guard let digit = value(bytes[index]) else { return nil }
            unit = unit &<< 4 | digit
        }
        return unit
    }
}

/// Raw (escaped) contents of JSON strings that a `JSONCursor` has accepted, and what they mean.
public enum JSONText {
    /// Hands out the decoded UTF-8 piece by piece. A lone surrogate becomes U+FFFD.
    ///
    /// - Parameter raw: contents of a valid JSON string, without quotes.
    public static func decode(_ raw: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        var index = 0
        while index < raw.count {
            var next = index
            while next < raw.count, raw[next] != 0x5C { next &+= 1 }
            if next > index { body(UnsafeRawBufferPointer(rebasing: raw[index..<next])) }
            guard next &+ 1 < raw.count else { return }
            index = next &+ 2
            let kind = raw[next &+ 1]
            guard kind == 0x75 else {
                emit(UInt32(unescaped(kind)), body)
                continue
            }
            let unit = HexDigit.unit(raw, at: index) ?? 0xFFFD
            index &+= 4
            if unit & 0xFC00 == 0xD800, index &+ 1 < raw.count, raw[index] == 0x5C, raw[index &+ 1] == 0x75,
                let low = HexDigit.unit(raw, at: index &+ 2), low & 0xFC00 == 0xDC00
            {
                index &+= 6
                emit(0x10000 + (UInt32(unit & 0x3FF) &<< 10 | UInt32(low & 0x3FF)), body)
            } else {
                emit(unit & 0xF800 == 0xD800 ? 0xFFFD : UInt32(unit), body)
            }
        }
    }

    /// The bytes are one whole JSON object or list, and nothing else. Cheap for what is neither.
    public static func isWhole(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first, first == 0x7B || first == 0x5B else { return false }
        var cursor = JSONCursor(bytes)
        do throws(JSONError) {
            try cursor.skipValue(depth: FrameScanner.maximumDepth)
            try cursor.expectEnd()
            return true
        } catch {
            return false
        }
    }

    /// How many bytes `decode` hands out.
    public static func decodedCount(_ raw: UnsafeRawBufferPointer) -> Int {
        var count = 0
        decode(raw) { count &+= $0.count }
        return count
    }

    /// The decoded text. The caller has validated the UTF-8.
    public static func string(_ raw: UnsafeRawBufferPointer) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.count)
        decode(raw) { bytes.append(contentsOf: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends `text` as a JSON string with its quotes.
    public static func appendQuoted(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        output.append(0x22)
        for byte in text {
            switch byte {
            case 0x22: output.append(contentsOf: "\\\"".utf8)
            case 0x5C: output.append(contentsOf: "\\\\".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0x00...0x1F:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hexDigits[Int(byte &>> 4)])
                output.append(hexDigits[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(0x22)
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    private static func unescaped(_ kind: UInt8) -> UInt8 {
        switch kind {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: kind
        }
    }

    private static func emit(_ scalar: UInt32, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard let encoded = Unicode.Scalar(scalar).flatMap({ UTF8.encode($0) }) else { return }
        // An encoded scalar is at most four bytes, kept on the stack.
        var bytes: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &bytes) { buffer in
            var count = 0
            for unit in encoded where count < 4 {
                buffer[count] = unit
                count &+= 1
            }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
