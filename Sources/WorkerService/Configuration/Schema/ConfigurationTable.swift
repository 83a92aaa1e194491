/// A table of `worker.conf`, or of another document that is read as strictly. A new key is a property with its default and one line in `keys`.
protocol ConfigurationTable: Sendable {
    init()
    static var keys: [ConfigurationKey<Self>] { get }
    static var sections: [ConfigurationSection<Self>] { get }
    /// Every key of the document that the table stands in.
    static var documentKeyNames: [[String]] { get }
}

extension ConfigurationTable {
    static var sections: [ConfigurationSection<Self>] { [] }
    static var documentKeyNames: [[String]] { WorkerConfiguration.keyNames() }

    /// Takes over what the node says; reports every mistake, and goes on.
    mutating func read(_ node: TOMLNode, _ report: ConfigurationReport) {
        guard case .table(let entries) = node else {
            report([], "must be a table, [like this], not \(node.kind)")
            return
        }
        for entry in entries {
            func inner(_ path: [String], _ message: String) { report([entry.key] + path, message) }
            if let key = Self.keys.first(where: { $0.name == entry.key }) {
                key.read(entry.value, &self, inner)
            } else if let section = Self.sections.first(where: { $0.name == entry.key }) {
                section.read(entry.value, &self, inner)
            } else {
                inner([], Self.unknown(entry.key))
            }
        }
        for key in Self.keys where key.isRequired && !entries.contains(where: { $0.key == key.name }) {
            report([key.name], "is missing; write \(key.name) = \(key.example ?? "...") (\(key.summary))")
        }
    }

    /// Every key that has a value, by its place, with the value as TOML.
    func values(under prefix: [String] = []) -> [[String]: String] {
        var values: [[String]: String] = [:]
        for key in Self.keys { values[prefix + [key.name]] = key.render(self) }
        for section in Self.sections { values.merge(section.values(self, prefix)) { $1 } }
        return values
    }

    /// The places of what differs, dotted and sorted.
    func changes(to other: Self) -> [String] {
        let (before, after) = (values(), other.values())
        return Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.map { $0.joined(separator: ".") }
            .sorted()
    }

    /// Every key below, dotted, with `NAME` for the names that an operator chooses.
    static func keyNames(under prefix: [String] = []) -> [[String]] {
        keys.map { prefix + [$0.name] } + sections.flatMap { $0.keyNames(prefix) }
    }

    private static func unknown(_ name: String) -> String {
        if SecretSpelling.isSecret(name) {
            let files = keys.map(\.name).filter { $0.hasSuffix("_file") || $0.hasSuffix("_files") }
                .filter { SecretSpelling.isSecretFile($0) }
            let instead = files.first.map { " and name that file with `\($0)`" } ?? ""
            return "a secret does not stand in this file; put it into a file of its own that only the worker "
                + "can read\(instead)"
        }
        let known = keys.map(\.name) + sections.map(\.name)
        if let nearest = Spelling.nearest(to: name, among: known) {
            return "unknown key; did you mean `\(nearest)`?"
        }
        let elsewhere = documentKeyNames.filter { $0.last == name && $0.count > 1 }
        if let place = elsewhere.first {
            return "unknown key here; it belongs into [\(place.dropLast().joined(separator: "."))]"
        }
        return "unknown key; known here: \(known.joined(separator: ", "))"
    }
}

/// Keys under which people write secrets.
enum SecretSpelling {
    static func isSecret(_ name: String) -> Bool {
        [
            "password", "pass", "passwd", "secret", "secrets", "key", "keys", "api_key", "apikey", "api-key", "token",
            "signing_secret", "authorization", "bearer",
        ].contains(name.lowercased())
    }

    static func isSecretFile(_ name: String) -> Bool {
        ["password_file", "key_file", "secret_files"].contains(name)
    }
}
