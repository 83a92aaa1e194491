/// The URL of a webhook, read strictly from its bytes: whatever two parsers could read differently is refused, so the
/// host that is judged is the host that is connected to.
public struct WebhookURL: Sendable, Hashable {
    public enum Scheme: String, Sendable {
        case http, https

        public var defaultPort: Int { self == .http ? 80 : 443 }
    }

    public enum Host: Sendable, Hashable {
        /// A DNS name in lower case, without a final dot.
        case name(String)
        case address(IPAddress)
    }

    public let scheme: Scheme
    public let host: Host
    public let port: Int
    /// Starts with `/`; as it goes into the request line. May hold a customer's token: never for a log.
    public let pathAndQuery: String

    /// Longer ones are refused: it is what common servers accept as a request line.
    public static let maximumLength = 2_048

    /// As it stands in a URL: an IPv6 address has its brackets.
    public var hostText: String {
        switch self.host {
        case .name(let name): name
        case .address(let address): address.isIPv4 ? "\(address)" : "[\(address)]"
        }
    }

    /// Scheme, host and port without the path, for logs.
    public var origin: String {
        let port = self.port == self.scheme.defaultPort ? "" : ":\(self.port)"
        return "\(self.scheme.rawValue)://\(self.hostText)\(port)"
    }

    /// The whole URL in its one normal form.
    public var text: String { self.origin + self.pathAndQuery }
}

extension WebhookURL {
    /// What is wrong with a URL; says it without repeating the URL.
    public enum Problem: Error, Sendable, Equatable, CustomStringConvertible {
        case empty, tooLong, forbiddenCharacter, badPercentEncoding, scheme, userInfo, fragment, noHost, badHost
        case numericHost, badIPv6, badPort
        /// The form to write instead, where it is known for sure.
        case internationalHost(ascii: String?)

        public var description: String {
            switch self {
            case .empty: "is empty"
            case .tooLong: "is longer than 2048 bytes"
            case .forbiddenCharacter:
                "has a space, control, backslash or other character that must be percent-encoded"
            case .badPercentEncoding: "has a % that two hexadecimal digits do not follow"
            case .scheme: "does not start with https:// (or http://)"
            case .userInfo: "has a user name or password"
            case .fragment: "has a fragment (#)"
            case .noHost: "has no host"
            case .badHost: "has a host that is not a DNS name (write international names in their xn-- form)"
            case .internationalHost(let ascii?): "has a host with characters beyond ASCII: write it as \(ascii)"
            case .internationalHost(nil):
                "has a host with characters beyond ASCII: write the host name in its ASCII form (xn--...)"
            case .numericHost: "has a host that ends in a number and is not a dotted quad"
            case .badIPv6: "has a bad IPv6 address, or one without brackets"
            case .badPort: "has a bad port"
            }
        }
    }

    public init(parsing text: String) throws(Problem) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { throw .empty }
        guard bytes.count <= Self.maximumLength else { throw .tooLong }
        if let problem = Self.international(bytes) { throw problem }
        guard bytes.allSatisfy(Self.isAllowed) else { throw .forbiddenCharacter }
        guard let (scheme, rest) = Self.scheme(of: bytes) else { throw .scheme }
        guard !rest.contains(UInt8(ascii: "#")) else { throw .fragment }
        try Self.checkPercentEncoding(rest)

        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains(UInt8(ascii: "@")) else { throw .userInfo }
        let (host, port) = try Self.split(authority)
        self.scheme = scheme
        self.host = try Self.host(host)
        self.port = try port.map { digits throws(Problem) in try Self.port(digits) } ?? scheme.defaultPort
        // Brackets belong to IPv6 hosts only; elsewhere some parsers encode the whole query anew.
        guard !rest[end...].contains(where: { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]") }) else {
            throw .forbiddenCharacter
        }
        let path = String(decoding: rest[end...], as: UTF8.self)
        self.pathAndQuery = path.hasPrefix("/") ? path : "/" + path
    }

    /// Where the host has letters beyond ASCII, as they are or percent-encoded, what to write instead.
    private static func international(_ bytes: [UInt8]) -> Problem? {
        guard let (_, rest) = scheme(of: bytes) else { return nil }
        let end = rest.firstIndex { "/?#".utf8.contains($0) } ?? rest.endIndex
        guard !rest[..<end].contains(UInt8(ascii: "@")),
            let host = InternationalHost(percentDecoding: rest[..<end].prefix { $0 != UInt8(ascii: ":") })
        else { return nil }
        return .internationalHost(ascii: host.ascii)
    }

    /// The characters of RFC 3986 and `%`.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        guard (0x21...0x7e).contains(byte) else { return false }
        return !"\"<>\\^`{|}".utf8.contains(byte)
    }

    private static func scheme(of bytes: [UInt8]) -> (Scheme, ArraySlice<UInt8>)? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
        let rest = bytes[(colon + 1)...]
        guard let scheme = Scheme(rawValue: name), rest.starts(with: "//".utf8) else { return nil }
        return (scheme, rest.dropFirst(2))
    }

    private static func checkPercentEncoding(_ bytes: ArraySlice<UInt8>) throws(Problem) {
        for index in bytes.indices where bytes[index] == UInt8(ascii: "%") {
            let digits = bytes[(index + 1)...].prefix(2)
            guard digits.count == 2, digits.allSatisfy({ IPAddress.hexadecimalDigit($0) != nil }) else {
                throw .badPercentEncoding
            }
        }
    }

    /// The host (with its brackets) and the digits after the colon.
    private static func split(
        _ authority: ArraySlice<UInt8>
    ) throws(Problem) -> (ArraySlice<UInt8>, ArraySlice<UInt8>?) {
        let colon = UInt8(ascii: ":")
        if authority.first == UInt8(ascii: "[") {
            guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else { throw .badIPv6 }
            let rest = authority[(close + 1)...]
            if rest.isEmpty { return (authority, nil) }
            guard rest.first == colon else { throw .badIPv6 }
            return (authority[...close], rest.dropFirst())
        }
        guard let first = authority.firstIndex(of: colon) else { return (authority, nil) }
        let rest = authority[(first + 1)...]
        guard !rest.contains(colon) else { throw .badIPv6 }
        return (authority[..<first], rest)
    }

    private static func port(_ digits: ArraySlice<UInt8>) throws(Problem) -> Int {
        guard (1...5).contains(digits.count), digits.allSatisfy(Self.isDigit) else { throw .badPort }
        let port = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard (1...65_535).contains(port) else { throw .badPort }
        return port
    }

    private static func host(_ text: ArraySlice<UInt8>) throws(Problem) -> Host {
        guard !text.isEmpty else { throw .noHost }
        if text.first == UInt8(ascii: "[") {
            guard let value = IPAddress.parseIPv6(Array(text.dropFirst().dropLast())) else { throw .badIPv6 }
            return .address(IPAddress(ipv6: value))
        }
        if let value = IPAddress.parseIPv4(text) { return .address(IPAddress(ipv4: value)) }
        let labels = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.count <= 253, labels.allSatisfy(Self.isLabel), let last = labels.last else {
            // `127.1.` is as numeric as `127.1`.
            throw .badHost
        }
        guard !Self.isNumeric(last) else { throw .numericHost }
        return .name(String(decoding: text, as: UTF8.self).lowercased())
    }

    /// Letters, digits, `-` inside, and `_`, which container networks use in names.
    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else {
            return false
        }
        return label.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: Self.isDigit(byte)
            }
        }
    }

    /// What `inet_aton` and browsers would read as a number: digits, or `0x` and hexadecimal digits.
    private static func isNumeric(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy(Self.isDigit) { return true }
        guard label.starts(with: "0x".utf8) || label.starts(with: "0X".utf8) else { return false }
        return label.dropFirst(2).allSatisfy { IPAddress.hexadecimalDigit($0) != nil }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
