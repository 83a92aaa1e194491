extension WorkerConfiguration {
    /// Largest configuration file that is read.
    private static let largestFile = 4 << 20

    /// Reads and checks a file: syntax, keys, types, ranges, and that what refers to each other exists. Secrets are
    /// not read yet.
    public static func load(path: String) throws(ConfigurationErrors) -> WorkerConfiguration {
        try WorkerConfiguration(parsing: try text(of: path), path: path)
    }

    /// Like `load`, of a text that is already there.
    public init(parsing text: String, path: String = "worker.conf") throws(ConfigurationErrors) {
        var mistakes: [ConfigurationMistake] = []
        try self.init(parsing: text, path: path) { mistakes.append($0) }
        guard mistakes.isEmpty else {
            throw ConfigurationErrors(path: path, mistakes: mistakes.inFileOrder())
        }
    }

    /// `load` and `check` in one: everything that can be said without the network, also of a file that is wrong.
    /// - Returns: no configuration where there is an error.
    public static func examine(
        path: String, in environment: ConfigurationEnvironment = .process()
    ) -> (configuration: WorkerConfiguration?, mistakes: [ConfigurationMistake]) {
        var mistakes: [ConfigurationMistake] = []
        let configuration: WorkerConfiguration
        do throws(ConfigurationErrors) {
            configuration = try WorkerConfiguration(parsing: try text(of: path), path: path) { mistakes.append($0) }
        } catch {
            return (nil, error.mistakes)
        }
        // Not what merely follows from a mistake that was told: of its own key, of its table, of what it holds.
        let wrong = mistakes.map(\.key)
        mistakes += configuration.check(in: environment).filter { found in
            !wrong.contains { $0 == found.key || $0.hasPrefix(found.key + ".") || found.key.hasPrefix($0 + ".") }
        }
        return (mistakes.errors.isEmpty ? configuration : nil, mistakes.inFileOrder())
    }

    static func text(of path: String) throws(ConfigurationErrors) -> String {
        let bytes: [UInt8]
        do throws(FileProblem) {
            bytes = try FileContents.read(path, atMost: largestFile).bytes
        } catch {
            throw ConfigurationErrors(
                path: path, mistakes: [ConfigurationMistake(key: "", message: error.message)])
        }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
        throw ConfigurationErrors(
            path: path, mistakes: [ConfigurationMistake(line: line.map { $0 + 1 }, key: "", message: "is not UTF-8")])
    }

    /// Throws where it is not TOML at all; what else is wrong goes to `report`, and a default stands in its place.
    private init(parsing text: String, path: String, report: Report) throws(ConfigurationErrors) {
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
        var wrong: Set<String> = []
        let lines = source.lines
        read(root) { path, message in
            wrong.insert(Self.dotted(path))
            report(ConfigurationMistake(line: lines.line(of: path), key: Self.dotted(path), message: message))
        }
        fillInPrefix()
        // Also after mistakes above, so that all are told at once.
        for mistake in ruleMistakes().errors where !wrong.contains(mistake.key) { report(mistake) }
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

    static func dotted(_ path: [String]) -> String {
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
