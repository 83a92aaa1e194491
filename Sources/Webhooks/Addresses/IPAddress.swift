/// An IPv4 or IPv6 address as a number, never as text, so that two spellings of an address cannot be judged
/// differently. An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is the IPv4 address that it stands for.
public struct IPAddress: Sendable, Hashable {
    /// The address in network order; for IPv4 in the low 32 bits.
    public let value: UInt128
    public let isIPv4: Bool

    /// `::ffff:0:0/96` without its last 32 bits.
    private static let mappedPrefix: UInt128 = 0xffff

    private init(value: UInt128, isIPv4: Bool) {
        self.value = value
        self.isIPv4 = isIPv4
    }

    public init(ipv4 value: UInt32) {
        self.init(value: UInt128(value), isIPv4: true)
    }

    /// Unmaps an IPv4-mapped address.
    public init(ipv6 value: UInt128) {
        if value >> 32 == Self.mappedPrefix {
            self.init(ipv4: UInt32(truncatingIfNeeded: value))
        } else {
            self.init(value: value, isIPv4: false)
        }
    }

    /// `nil` unless there are 4 or 16 bytes, in network order.
    public init?(bytes: some Collection<UInt8>) {
        let value = bytes.prefix(16).reduce(into: UInt128(0)) { $0 = $0 << 8 | UInt128($1) }
        switch bytes.count {
        case 4: self.init(ipv4: UInt32(truncatingIfNeeded: value))
        case 16: self.init(ipv6: value)
        default: return nil
        }
    }

    /// Strict text: a dotted quad of four decimal numbers without leading zeros, or RFC 4291 section 2.2 without a zone.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        if let value = Self.parseIPv4(bytes[...]) {
            self.init(ipv4: value)
        } else if let value = Self.parseIPv6(bytes) {
            self.init(ipv6: value)
        } else {
            return nil
        }
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        let count = self.isIPv4 ? 4 : 16
        return (0..<count).map { UInt8(truncatingIfNeeded: self.value >> (8 * (count - 1 - $0))) }
    }
}

extension IPAddress: CustomStringConvertible {
    /// IPv6 in the form of RFC 5952.
    public var description: String {
        let bytes = self.bytes
        guard !self.isIPv4 else { return bytes.map(String.init).joined(separator: ".") }
        let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        var longest = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > 1, end - start > longest.count { longest = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: some Sequence<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !longest.isEmpty else { return text(groups) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }
}

extension IPAddress {
    static func parseIPv4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var number: UInt32 = 0
            for byte in part {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                number = number * 10 + UInt32(byte - UInt8(ascii: "0"))
            }
            guard number <= 255 else { return nil }
            value = value << 8 | number
        }
        return value
    }

    static func parseIPv6(_ text: [UInt8]) -> UInt128? {
        // At most one "::"; each side is a list of groups, the last of all may be a dotted quad.
        let colon = UInt8(ascii: ":")
        var gap: Int?
        for index in text.indices.dropLast() where text[index] == colon && text[index + 1] == colon {
            guard gap == nil else { return nil }
            gap = index
        }
        if let gap {
            guard let head = Self.groups(text[..<gap], mayEndInQuad: false),
                let tail = Self.groups(text[(gap + 2)...], mayEndInQuad: true),
                head.count + tail.count < 8
            else { return nil }
            let zeros = [UInt16](repeating: 0, count: 8 - head.count - tail.count)
            return (head + zeros + tail).reduce(0) { $0 << 16 | UInt128($1) }
        }
        guard let groups = Self.groups(text[...], mayEndInQuad: true), groups.count == 8 else { return nil }
        return groups.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private static func groups(_ text: ArraySlice<UInt8>, mayEndInQuad: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if mayEndInQuad, index == parts.count - 1, let quad = Self.parseIPv4(part) {
                groups.append(UInt16(truncatingIfNeeded: quad >> 16))
                groups.append(UInt16(truncatingIfNeeded: quad))
                continue
            }
            guard (1...4).contains(part.count) else { return nil }
            var number: UInt16 = 0
            for byte in part {
                guard let digit = Self.hexadecimalDigit(byte) else { return nil }
                number = number << 4 | UInt16(digit)
            }
            groups.append(number)
        }
        return groups
    }

    static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
