import Gateway

extension ConfigurationValue<String> {
    /// A text without control characters.
    static func text(_ summary: String, longest: Int = 256, mayBeEmpty: Bool = false) -> Self {
        .text(summary) { text throws(ConfigurationValueError) in
            if text.isEmpty, !mayBeEmpty { throw ConfigurationValueError("is empty") }
            if text.utf8.count > longest { throw ConfigurationValueError("is longer than \(longest) bytes") }
            if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                throw ConfigurationValueError("holds a control character")
            }
            return text
        } render: {
            $0
        }
    }

    static func name(_ rule: ConfigurationName, mayBeEmpty: Bool = false) -> Self {
        text("name, \(rule.summary)", mayBeEmpty: mayBeEmpty).checked { name in
            name.isEmpty || rule.allows(name) ? nil : "must have \(rule.summary)"
        }
    }

    /// An absolute path; it is opened later, by the check.
    static var file: Self {
        text("absolute path of a file", longest: 4_095).checked { path in
            path.utf8.first == UInt8(ascii: "/") ? nil : "must be an absolute path, as /etc/chat-worker/ca.pem"
        }
    }

    /// Where a secret stands: an absolute path, or the name of a credential. A value that looks like the secret itself
    /// is refused, and not repeated.
    static var secretFile: Self { text("credential name or absolute path", longest: 4_095).checked(secretPlace) }

    /// The same, where there may be no secret at all.
    static var secretFileOrNone: Self {
        text("credential name or absolute path, or \"\" for none", longest: 4_095, mayBeEmpty: true).checked { name in
            name.isEmpty ? nil : secretPlace(name)
        }
    }

    private static var secretPlace: @Sendable (String) -> String? {
        { name in
            if name.hasPrefix("sk-") || name.hasPrefix("whsec_") || name.hasPrefix("whsk_") {
                return "looks like the secret itself; put that into a file of its own and name the file here"
            }
            if name.utf8.first == UInt8(ascii: "/") || SecretSource.isCredentialName(name) { return nil }
            return "must be an absolute path, or the name of a file in $CREDENTIALS_DIRECTORY (without /)"
        }
    }

    static var environmentVariable: Self {
        text("name of an environment variable").checked { name in
            if name.hasPrefix("sk-") || name.hasPrefix("whsec_") {
                return "looks like the secret itself; name the variable that holds it"
            }
            let isName =
                name.utf8.allSatisfy { ConfigurationName.isWordByte($0) && $0 != UInt8(ascii: "-") }
                && !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(name.utf8.first ?? 0)
            return isName ? nil : "must be a name of letters, digits and _"
        }
    }

    /// A header that a gateway's key may travel in.
    static var keyHeader: Self {
        text("name of a header", longest: 64).checked { name in
            GatewayConfigurationError.canCarryKey(name)
                ? nil : "must be the name of a header that is not taken, as api-key"
        }
    }

    /// A queue name in which `{prefix}` and `{customer}` are filled in; `*` is any run of characters.
    static func queuePattern(allowsStar: Bool, mayBeEmpty: Bool = false) -> Self {
        text("queue name with {prefix} and {customer}", longest: 200, mayBeEmpty: mayBeEmpty).checked { pattern in
            QueuePattern.problem(of: pattern, allowsStar: allowsStar)
        }
    }
}

extension ConfigurationValue where Value: CaseIterable & RawRepresentable<String> & Sendable {
    /// One of the enumeration's raw values.
    static func choice() -> Self {
        let names = Value.allCases.map { TOMLText.quoted($0.rawValue) }.joined(separator: ", ")
        return .text("one of \(names)") { text throws(ConfigurationValueError) in
            if let value = Value(rawValue: text) { return value }
            throw ConfigurationValueError(
                "must be one of \(names)" + Spelling.hint(for: text, among: Value.allCases.map(\.rawValue)))
        } render: {
            $0.rawValue
        }
    }
}
