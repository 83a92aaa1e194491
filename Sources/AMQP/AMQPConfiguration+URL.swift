extension AMQPConfiguration {
    /// Reads `amqp[s]://[user[:password]@]host[:port][/vhost][?option=value&…]`, percent-encoded as RabbitMQ's URI
    /// specification has it; an absent or empty virtual host is `/` (write `%2F` or leave it out).
    ///
    /// Options: `heartbeat` (seconds), `connection_timeout` (milliseconds), and with `amqps` `cacertfile`, `certfile`,
    /// `keyfile`. Errors name the part that is wrong and never repeat what stands there: it may be the password.
    public init(url: String) throws(AMQPError) {
        self.init()
        var rest = url.utf8[...]
        guard let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest[colon...].starts(with: "://".utf8) else {
            throw Self.invalid("it must start with amqp:// or amqps://")
        }
        switch String(rest[..<colon])?.lowercased() {
        case "amqp": tls = nil
        case "amqps": tls = TLS()
        default: throw Self.invalid("it must start with amqp:// or amqps://")
        }
        rest = rest[rest.index(colon, offsetBy: 3)...]
        if rest.contains(UInt8(ascii: "#")) {
            throw Self.invalid("a '#' must be written as %23")
        }

        var query: Substring.UTF8View?
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
            let path = rest[rest.index(after: slash)...]
            if path.contains(UInt8(ascii: "/")) {
                throw Self.invalid("a '/' inside the virtual host must be written as %2F")
            }
            if !path.isEmpty { virtualHost = try Self.decode(path, "virtual host") }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
            try readCredentials(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        addresses = [try Self.readAddress(rest, defaultPort: tls == nil ? 5672 : 5671)]
        if let query { try readOptions(query) }
    }

    private mutating func readCredentials(_ text: Substring.UTF8View) throws(AMQPError) {
        let colon = text.firstIndex(of: UInt8(ascii: ":"))
        username = try Self.decode(text[..<(colon ?? text.endIndex)], "user name")
        password = ""
        if let colon { password = try Self.decode(text[text.index(after: colon)...], "password") }
    }

    private static func readAddress(_ text: Substring.UTF8View, defaultPort: Int) throws(AMQPError) -> Address {
        var host = text
        var port: Substring.UTF8View?
        if text.first == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")) else {
                throw invalid("the IPv6 address has no closing ']'")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            if after.first == UInt8(ascii: ":") {
                port = after.dropFirst()
            } else if !after.isEmpty {
                throw invalid("after the IPv6 address only ':PORT' may follow")
            }
        } else if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        let name = try decode(host, "host name")
        guard !name.isEmpty else { throw invalid("the host name is missing") }
        guard let port else { return Address(host: name, port: defaultPort) }
        guard let number = number(port, 1...65_535) else { throw invalid("the port must be 1-65535") }
        return Address(host: name, port: number)
    }

    private mutating func readOptions(_ query: Substring.UTF8View) throws(AMQPError) {
        for option in query.split(separator: UInt8(ascii: "&")) {
            guard let equals = option.firstIndex(of: UInt8(ascii: "=")) else {
                throw Self.invalid("an option after '?' must be written as name=value")
            }
            let name = try Self.decode(option[..<equals], "option name")
            let value = option[option.index(after: equals)...]
            switch name {
            case "heartbeat":
                guard let seconds = Self.number(value, 1...65_535) else {
                    throw Self.invalid("heartbeat must be 1-65535 seconds")
                }
                heartbeat = .seconds(seconds)
            case "connection_timeout":
                guard let milliseconds = Self.number(value, 1...3_600_000) else {
                    throw Self.invalid("connection_timeout must be 1-3600000 milliseconds")
                }
                timeout = .milliseconds(milliseconds)
            case "cacertfile" where tls != nil:
                tls?.certificateAuthorityFile = try Self.decode(value, name)
            case "certfile" where tls != nil:
                tls?.clientCertificateFile = try Self.decode(value, name)
            case "keyfile" where tls != nil:
                tls?.clientKeyFile = try Self.decode(value, name)
            case "cacertfile", "certfile", "keyfile":
                throw Self.invalid("\(name) needs amqps://")
            default:
                throw Self.invalid(
                    "an option is unknown; known are heartbeat, connection_timeout, cacertfile, certfile, keyfile")
            }
        }
    }

    private static func number(_ text: Substring.UTF8View, _ range: ClosedRange<Int>) -> Int? {
        guard !text.isEmpty, text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = String(text).flatMap({ Int($0) }), range.contains(number)
        else { return nil }
        return number
    }

    private static func decode(_ text: some Collection<UInt8>, _ what: String) throws(AMQPError) -> String {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                throw invalid("the \(what) has a '%' that two hexadecimal digits do not follow")
            }
            bytes.append(high << 4 | low)
        }
        // librabbitmq takes C strings: what follows a NUL would silently be lost.
        guard let string = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw invalid("the \(what) is not UTF-8 text")
        }
        return string
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func invalid(_ why: String) -> AMQPError {
        AMQPError(.configuration, "the broker URL is not valid: \(why)")
    }
}
