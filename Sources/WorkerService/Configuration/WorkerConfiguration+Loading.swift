extension WorkerConfiguration {
    /// Largest configuration file that is read.
    private static let largestFile = 4 << 20

    /// Reads and checks a file: syntax, keys, types, ranges, and that what refers to each other exists. Secrets are
    /// not read yet.
    public static func load(path: String) throws(ConfigurationErrors) -> WorkerConfiguration {
        let bytes: [UInt8]
        do throws(FileProblem) {
            bytes = try FileContents.read(path, atMost: largestFile).bytes
        } catch {
            throw ConfigurationErrors(
                path: path, mistakes: [ConfigurationMistake(key: "", message: error.message)])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
            throw ConfigurationErrors(
                path: path,
                mistakes: [ConfigurationMistake(line: line.map { $0 + 1 }, key: "", message: "is not UTF-8")])
        }
        return try WorkerConfiguration(parsing: text, path: path)
    }

    /// Like `load`, of a text that is already there.
    public init(parsing text: String, path: String = "worker.conf") throws(ConfigurationErrors) {
        self.init()
        let root: TOMLNode
        do throws(TOMLNode.SyntaxError) {
            root = try TOMLNode(parsing: text)
        } catch {
            throw ConfigurationErrors(
                path: path, mistakes: [ConfigurationMistake(line: error.line, key: "", message: error.message)])
        }
        source = ConfigurationSource(path: path)
        source.lines = TOMLKeyLines(scanning: text)
        var mistakes: [ConfigurationMistake] = []
        let lines = source.lines
        read(root) { path, message in
            mistakes.append(
                ConfigurationMistake(line: lines.line(of: path), key: Self.dotted(path), message: message))
        }
        fillInPrefix()
        // Also after mistakes above, so that all are told at once: a default stands where a value was wrong.
        let wrong = Set(mistakes.map(\.key))
        mistakes += ruleMistakes().errors.filter { !wrong.contains($0.key) }
        guard mistakes.isEmpty else {
            throw ConfigurationErrors(path: path, mistakes: mistakes.inFileOrder())
        }
    }

    /// A mistake or warning about a key of this configuration, with its line.
    func mistake(
        _ severity: ConfigurationMistake.Severity = .error, at path: [String], _ message: String
    ) -> ConfigurationMistake {
        ConfigurationMistake(severity, line: source.lines.line(of: path), key: Self.dotted(path), message: message)
    }

    private mutating func fillInPrefix() {
        func filled(_ pattern: String) -> String { pattern.replacing(QueuePattern.prefix, with: broker.prefix) }
        replies.defaultQueue = filled(replies.defaultQueue)
        replies.allow = replies.allow.map(filled)
    }

    private static func dotted(_ path: [String]) -> String {
        var text = ""
        for part in path {
            if part.hasPrefix("[") {
                text += part
            } else {
                text += (text.isEmpty ? "" : ".") + TOMLText.key(part)
            }
        }
        return text
    }
}
