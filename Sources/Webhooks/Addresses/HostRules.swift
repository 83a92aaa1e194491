/// Which hosts webhooks may go to, by name; what their addresses may be is judged besides.
public struct HostRules: Sendable, Equatable {
    /// A host, or `*.` and a domain for all hosts under it.
    public struct Pattern: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// `nil` where it could match nothing. A final dot, which makes a name absolute, does not count: the hosts of URLs
        /// have none.
        public init?(_ text: some StringProtocol) {
            var text = text.lowercased()
            if text.hasSuffix("."), !text.hasSuffix("..") { text.removeLast() }
            let host = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
            guard !host.isEmpty, !host.hasPrefix("."), !host.hasSuffix("."), !host.contains("*"), !host.contains("/")
            else { return nil }
            // An address in the one form that URLs are brought to.
            let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
            if let address = IPAddress(isBracketed ? text.dropFirst().dropLast() : text[...]) {
                description = address.isIPv4 ? "\(address)" : "[\(address)]"
            } else {
                description = text
            }
        }

        /// - Parameter host: as `WebhookURL.hostText`, in lower case.
        public func matches(_ host: String) -> Bool {
            description.hasPrefix("*.") ? host.hasSuffix(description.dropFirst()) : host == description
        }
    }

    /// Empty: every host.
    public var allowed: [Pattern]
    /// Counts before `allowed`.
    public var denied: [Pattern]

    public init(allowed: [Pattern] = [], denied: [Pattern] = []) {
        self.allowed = allowed
        self.denied = denied
    }

    public func allows(_ host: String) -> Bool {
        !denied.contains { $0.matches(host) } && (allowed.isEmpty || allowed.contains { $0.matches(host) })
    }
}
