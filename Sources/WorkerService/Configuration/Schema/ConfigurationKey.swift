/// One key of a table: all that is known about it, in one place. Its default is the property's own initial value.
struct ConfigurationKey<Table: Sendable>: Sendable {
    let name: String
    /// Kind, unit and range.
    let summary: String
    /// One sentence for the operator: what for, and why this default.
    let why: String
    /// A table without it is a mistake.
    let isRequired: Bool
    /// TOML to show where there is no default.
    let example: String?
    let read: @Sendable (TOMLNode, inout Table, ConfigurationReport) -> Void
    /// The value as TOML; `nil` where there is none.
    let render: @Sendable (Table) -> String?

    init<Value>(
        _ name: String, _ path: any WritableKeyPath<Table, Value> & Sendable, _ value: ConfigurationValue<Value>,
        _ why: String, isRequired: Bool = false, example: String? = nil
    ) {
        self.name = name
        self.summary = value.summary
        self.why = why
        self.isRequired = isRequired
        self.example = example
        self.read = { node, table, report in
            if let value = value.decode(node, report) { table[keyPath: path] = value }
        }
        self.render = { table in value.render(table[keyPath: path]) }
    }

    /// A key without a default: absent is `nil`.
    init<Value>(
        optional name: String, _ path: any WritableKeyPath<Table, Value?> & Sendable,
        _ value: ConfigurationValue<Value>, _ why: String, example: String
    ) {
        self.name = name
        self.summary = value.summary
        self.why = why
        self.isRequired = false
        self.example = example
        self.read = { node, table, report in
            if let value = value.decode(node, report) { table[keyPath: path] = value }
        }
        self.render = { table in table[keyPath: path].map(value.render) }
    }
}
