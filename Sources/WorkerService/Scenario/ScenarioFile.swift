/// A scenario of `chat-worker simulate gateway`, as its file says it: TOML, read as strictly as `worker.conf`. What a fault
/// is only the simulator knows: faults stay texts here.
public struct ScenarioFile: Sendable, Equatable {
    /// `[rules.NAME]`
    public struct Rule: Sendable, Equatable {
        /// The NAME; filled in at the end.
        public var name = ""
        public var model: String?
        public var user: String?
        public var text: String?
        public var requests: ClosedRange<Int>?
        public var percent = 100.0
        public var fault = ""

        public init() {}
    }

    /// `[tls]`
    public struct TLS: Sendable, Equatable {
        public enum Version: String, Sendable, CaseIterable { case old = "1.1", current = "1.3" }

        public var certificateFile: String?
        public var keyFile: String?
        public var version = Version.current

        public init() {}
    }

    public var seed: Int?
    public var tokens: Int?
    public var rate: Double?
    public var firstToken: Duration?
    public var closesAfterAnswer: Bool?
    public var tls = TLS()
    var rulesByName: [String: Rule] = [:]
    /// Percent, by written fault.
    public var mix: [String: Double] = [:]
    /// In the order of the file.
    public private(set) var rules: [Rule] = []

    public init() {}

    /// Something that is wrong at a path, such as `["rules", "slow", "fault"]`.
    public typealias Problem = (path: [String], message: String)

    /// Reads and checks a file.
    ///
    /// - Parameter problems: what its user, who knows the faults, finds wrong besides.
    public static func load(
        path: String, problems: (ScenarioFile) -> [Problem]
    ) throws(ConfigurationErrors) -> ScenarioFile {
        try ScenarioFile(parsing: try WorkerConfiguration.text(of: path), path: path, problems: problems)
    }

    /// Like `load`, of a text that is already there.
    public init(
        parsing text: String, path: String, problems: (ScenarioFile) -> [Problem] = { _ in [] }
    ) throws(ConfigurationErrors) {
        self.init()
        let root: TOMLNode
        do throws(TOMLNode.SyntaxError) {
            root = try TOMLNode(parsing: text)
        } catch {
            throw ConfigurationErrors(
                path: path, mistakes: [ConfigurationMistake(line: error.line, key: "", message: error.message)])
        }
        let lines = TOMLKeyLines(scanning: text)
        var mistakes: [ConfigurationMistake] = []
        func report(_ path: [String], _ message: String) {
            let key = WorkerConfiguration.dotted(path)
            guard !mistakes.contains(where: { $0.key == key }) else { return }
            mistakes.append(ConfigurationMistake(line: lines.line(of: path), key: key, message: message))
        }
        read(root, report)
        rules = rulesByName.map { name, rule in
            var rule = rule
            rule.name = name
            return rule
        }.sorted { lines.line(of: ["rules", $0.name]) ?? 0 < lines.line(of: ["rules", $1.name]) ?? 0 }
        if (tls.certificateFile == nil) != (tls.keyFile == nil) {
            report(["tls"], "certificate_file and key_file go together")
        }
        for problem in problems(self) { report(problem.path, problem.message) }
        guard mistakes.isEmpty else { throw ConfigurationErrors(path: path, mistakes: mistakes.inFileOrder()) }
    }
}
