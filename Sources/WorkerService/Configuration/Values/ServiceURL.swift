import Webhooks

/// A URL of a service, split by simple and strict rules: no user info but a user's name, no fragment, ASCII only.
/// Foundation's `URL` is not asked, because it reads odd hosts in odd ways.
public struct ServiceURL: Sendable, Equatable {
    public var scheme: String
    /// Percent-decoded; never with a password, which is refused.
    public var user: String?
    /// Without the brackets of an IPv6 address.
    public var host: String
    /// `nil` where the URL does not say.
    public var port: Int?
    /// As written: empty, or from `/` on.
    public var path: String
    /// As written, without `?`.
    public var query: String?

    public init(
        scheme: String, user: String? = nil, host: String, port: Int? = nil, path: String = "", query: String? = nil
    ) {
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.path = path
        self.query = query
    }

    /// The value of a required key before it is read.
    static let unset = ServiceURL(scheme: "", host: "")

    /// A loopback address or `localhost`: what is sent there in the clear does not leave the machine.
    public var isLoopback: Bool { Self.isLoopback(host) }

    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

extension ServiceURL {
    /// Host names and IPv4 addresses; addresses in brackets are judged by their own characters.
    private static func isHost(_ host: Substring) -> Bool {
        (1...253).contains(host.utf8.count) && !host.hasPrefix(".") && !host.hasPrefix("-") && !host.contains("..")
            && host.utf8.allSatisfy { ConfigurationName.isWordByte($0) || $0 == UInt8(ascii: ".") }
    }

    private static func isBracketed(_ address: Substring) -> Bool {
        address.contains(":") && IPAddress(address) != nil
    }

    /// - Parameter password: what to do with a password, which may stand in no URL.
    static func parse(
        _ text: String, schemes: [String],
        password: String = "put it into a file and name that with password_file"
    ) throws(ConfigurationValueError) -> ServiceURL {
        let allowed = schemes.map { "\($0)://" }.joined(separator: " or ")
        guard let colon = text.firstRange(of: "://") else {
            throw ConfigurationValueError("must begin with \(allowed)")
        }
        let scheme = text[..<colon.lowerBound].lowercased()
        guard schemes.contains(scheme) else { throw ConfigurationValueError("must begin with \(allowed)") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
            throw ConfigurationValueError(
                "holds a space, a backslash or a character beyond ASCII; percent-encode it (hosts: punycode)")
        }
        if text.contains("#") { throw ConfigurationValueError("a fragment (#...) has no meaning here") }
        let rest = text[colon.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        var url = ServiceURL(scheme: scheme, host: "")
        var authority = rest[..<end]
        if let at = authority.lastIndex(of: "@") {
            let userInfo = authority[..<at]
            guard !userInfo.contains(":") else {
                throw ConfigurationValueError("a password does not stand in a URL; \(password)")
            }
            url.user = try decoded(userInfo)
            authority = authority[authority.index(after: at)...]
        }
        (url.host, url.port) = try hostAndPort(authority)
        let tail = rest[end...]
        let question = tail.firstIndex(of: "?") ?? tail.endIndex
        url.path = String(tail[..<question])
        if question < tail.endIndex { url.query = String(tail[tail.index(after: question)...]) }
        return url
    }

    /// `host`, `host:5672`, `[::1]:5672`.
    static func hostAndPort(_ text: Substring) throws(ConfigurationValueError) -> (host: String, port: Int?) {
        var host = text
        var port: Substring?
        if text.first == "[" {
            guard let close = text.firstIndex(of: "]") else {
                throw ConfigurationValueError("an IPv6 address needs both brackets")
            }
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.first == ":", isBracketed(host) else {
                throw ConfigurationValueError("`\(text)` is not a host and port")
            }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else {
            if let colon = text.lastIndex(of: ":") {
                host = text[..<colon]
                port = text[text.index(after: colon)...]
            }
            guard isHost(host) else { throw ConfigurationValueError("`\(host)` is not a host name") }
        }
        guard let port else { return (String(host), nil) }
        guard port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(port), (1...65_535).contains(number)
        else { throw ConfigurationValueError("the port must be 1 to 65535") }
        return (String(host), number)
    }

    /// Undoes percent-encoding; the result has to be UTF-8 without control characters.
    static func decoded(_ text: Substring) throws(ConfigurationValueError) -> String {
        let bytes = Array(text.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, let high = Character(Unicode.Scalar(bytes[index + 1])).hexDigitValue,
                    let low = Character(Unicode.Scalar(bytes[index + 2])).hexDigitValue
                else { throw ConfigurationValueError("a % must be followed by two hexadecimal digits") }
                plain.append(UInt8(high * 16 + low))
                index += 3
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        guard let decoded = String(validating: plain, as: UTF8.self), plain.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw ConfigurationValueError("what is percent-encoded must be UTF-8 without control characters") }
        return decoded
    }
}

extension ServiceURL: CustomStringConvertible {
    public var description: String {
        let user = user.map { Self.encoded($0) + "@" } ?? ""
        let host = host.contains(":") ? "[\(host)]" : host
        return "\(scheme)://\(user)\(host)\(port.map { ":\($0)" } ?? "")\(path)\(query.map { "?" + $0 } ?? "")"
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            if ConfigurationName.isWordByte(byte) || byte == UInt8(ascii: ".") {
                return String(decoding: [byte], as: UTF8.self)
            }
            return (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
