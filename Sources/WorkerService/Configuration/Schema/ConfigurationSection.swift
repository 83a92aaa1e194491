/// A table inside a table: `[broker]`, or one for each name: `[gateways.NAME]`.
struct ConfigurationSection<Table: Sendable>: Sendable {
    let name: String
    let read: @Sendable (TOMLNode, inout Table, ConfigurationReport) -> Void
    let keyNames: @Sendable (_ prefix: [String]) -> [[String]]
    let write: @Sendable (Table, inout ConfigurationReference) -> Void
    /// Every key below as TOML, by its place.
    let values: @Sendable (Table, _ prefix: [String]) -> [[String]: String]

    init<Child: ConfigurationTable>(
        _ name: String, _ path: any WritableKeyPath<Table, Child> & Sendable, _ why: String
    ) {
        self.name = name
        self.read = { node, table, report in table[keyPath: path].read(node, report) }
        self.keyNames = { prefix in Child.keyNames(under: prefix + [name]) }
        self.write = { table, reference in
            reference.write(table[keyPath: path], named: name, why: why)
        }
        self.values = { table, prefix in table[keyPath: path].values(under: prefix + [name]) }
    }

    /// `example` is the NAME that the reference shows where the configuration has none.
    init<Child: ConfigurationTable>(
        each name: String, _ path: any WritableKeyPath<Table, [String: Child]> & Sendable,
        named rule: ConfigurationName,
        example: String, _ why: String
    ) {
        self.name = name
        self.read = { node, table, report in
            guard case .table(let entries) = node else {
                report([], "must be tables with a name, as [\(name).\(example)], not \(node.kind)")
                return
            }
            for entry in entries {
                func inner(_ path: [String], _ message: String) { report([entry.key] + path, message) }
                guard case .table = entry.value else {
                    inner([], "is outside of any [\(name).NAME]; write it below a line [\(name).\(example)]")
                    continue
                }
                guard rule.allows(entry.key) else {
                    inner([], "a name here has \(rule.summary)")
                    continue
                }
                var child = Child()
                child.read(entry.value, inner)
                table[keyPath: path][entry.key] = child
            }
        }
        self.keyNames = { prefix in Child.keyNames(under: prefix + [name, "NAME"]) }
        self.write = { table, reference in
            reference.write(each: table[keyPath: path], named: name, example: example, why: why)
        }
        self.values = { table, prefix in
            table[keyPath: path].reduce(into: [:]) { values, child in
                // The table itself counts: one without a key is there, or is not.
                values[prefix + [name, child.key]] = ""
                values.merge(child.value.values(under: prefix + [name, child.key])) { $1 }
            }
        }
    }
}
