/// One thing that is wrong, or doubtful, in the configuration.
public struct ConfigurationMistake: Error, Sendable, Equatable {
    public enum Severity: String, Sendable {
        /// The worker does not start.
        case error
        /// It starts, but somebody should look.
        case warning
    }

    public var severity: Severity
    /// In the file, from 1; `nil` where the mistake is in no line (a missing file, the environment).
    public var line: Int?
    /// Dotted, as `gateways.main.url`; empty for the file as a whole.
    public var key: String
    /// What is wrong and what to do. Never a secret.
    public var message: String

    public init(_ severity: Severity = .error, line: Int? = nil, key: String, message: String) {
        self.severity = severity
        self.line = line
        self.key = key
        self.message = message
    }

    /// `worker.conf:12: broker.url: ...`
    public func description(inFile path: String) -> String {
        let place = line.map { "\(path):\($0): " } ?? "\(path): "
        let name = key.isEmpty ? "" : "\(key): "
        return place + (severity == .warning ? "warning: " : "") + name + message
    }
}

/// All mistakes of a configuration at once; exit code 78.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file, as it was named.
    public var path: String
    /// At least one; in the order of the file.
    public var mistakes: [ConfigurationMistake]

    public init(path: String, mistakes: [ConfigurationMistake]) {
        self.path = path
        self.mistakes = mistakes
    }

    /// One line a mistake.
    public var description: String {
        mistakes.map { $0.description(inFile: path) }.joined(separator: "\n")
    }
}

extension [ConfigurationMistake] {
    /// In the order of the file; what has no line comes last.
    func inFileOrder() -> [ConfigurationMistake] {
        enumerated().sorted { left, right in
            (left.element.line ?? .max, left.offset) < (right.element.line ?? .max, right.offset)
        }.map(\.element)
    }

    var errors: [ConfigurationMistake] { filter { $0.severity == .error } }
}
