/// A host name with letters beyond ASCII, for the error that says what to write instead: such a name is never connected to.
struct InternationalHost {
    private let labels: [Substring]

    /// `nil` where the host is ASCII, or no text.
    init?(percentDecoding host: ArraySlice<UInt8>) {
        var bytes: [UInt8] = []
        var rest = host
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap(IPAddress.hexadecimalDigit)
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                rest = rest.dropFirst(2)
                bytes.append(digits[0] << 4 | digits[1])
            } else {
                bytes.append(byte)
            }
        }
        guard bytes.contains(where: { $0 >= 0x80 }), let text = String(validating: bytes, as: UTF8.self) else {
            return nil
        }
        // The full stops of East Asian keyboards count as dots.
        labels = text.split(omittingEmptySubsequences: false) { ".\u{3002}\u{FF0E}\u{FF61}".contains($0) }
    }

    /// The name as DNS knows it; `nil` where that is not sure: the rules (UTS 46) change some characters into others, and only
    /// names of letters that stay what they are, but for capitals, are computed here.
    var ascii: String? {
        var result: [String] = []
        for label in labels {
            let scalars = Array(label.lowercased().unicodeScalars)
            guard scalars.allSatisfy(Self.isPlain) else { return nil }
            if scalars.allSatisfy(\.isASCII) {
                result.append(String(String.UnicodeScalarView(scalars)))
            } else if let encoded = Punycode.encode(scalars) {
                result.append("xn--" + encoded)
            } else {
                return nil
            }
        }
        let name = result.joined(separator: ".")
        guard case .name(name)? = (try? WebhookURL(parsing: "https://\(name)/"))?.host else { return nil }
        return name
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII {
            return scalar == "-" || ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
        }
        switch scalar.value {
        // Forms of other letters: conjoining Hangul, letterlike symbols, compatibility and full width.
        case 0x1100...0x11FF, 0x2100...0x214F, 0x3130...0x318F, 0xA960...0xA97F, 0xD7B0...0xD7FF, 0xF900...0xFFFF,
            0x1D400...0x1D7FF, 0x2F800...0x2FA1F:
            return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .otherLetter: return scalar.properties.canonicalCombiningClass == .notReordered
        default: return false
        }
    }
}

/// RFC 3492: a label of any letters, written with those of DNS.
enum Punycode {
    private static let (base, least, most, skew, damp) = (36, 1, 26, 38, 700)
    private static let digits = Array("abcdefghijklmnopqrstuvwxyz0123456789".unicodeScalars)

    /// Without the `xn--`; `nil` for more than a label can hold (63 bytes), which also bounds every number below.
    static func encode(_ scalars: [Unicode.Scalar]) -> String? {
        guard scalars.count <= 63 else { return nil }
        var output = scalars.filter(\.isASCII)
        let basic = output.count
        var handled = basic
        if basic > 0 { output.append("-") }
        var (n, delta, bias) = (128, 0, 72)
        while handled < scalars.count {
            guard let next = scalars.lazy.map({ Int($0.value) }).filter({ $0 >= n }).min() else { return nil }
            delta += (next - n) * (handled + 1)
            n = next
            for scalar in scalars {
                if scalar.value < n { delta += 1 }
                guard scalar.value == n else { continue }
                append(delta, bias, to: &output)
                bias = adapted(delta, count: handled + 1, isFirst: handled == basic)
                delta = 0
                handled += 1
            }
            delta += 1
            n += 1
        }
        return output.count <= 59 ? String(String.UnicodeScalarView(output)) : nil
    }

    /// As digits of a variable base.
    private static func append(_ delta: Int, _ bias: Int, to output: inout [Unicode.Scalar]) {
        var (rest, position) = (delta, base)
        while true {
            let threshold = min(max(position - bias, least), most)
            guard rest >= threshold else { break }
            output.append(digits[threshold + (rest - threshold) % (base - threshold)])
            rest = (rest - threshold) / (base - threshold)
            position += base
        }
        output.append(digits[rest])
    }

    private static func adapted(_ delta: Int, count: Int, isFirst: Bool) -> Int {
        var delta = isFirst ? delta / damp : delta / 2
        delta += delta / count
        var bias = 0
        while delta > (base - least) * most / 2 {
            delta /= base - least
            bias += base
        }
        return bias + (base - least + 1) * delta / (delta + skew)
    }
}
