/// Writes a configuration as TOML in which every key stands: with its meaning, kind and range, and as a comment where
/// it has its default. `worker.conf` is made by this, so that the file cannot say other than the decoder does.
struct ConfigurationReference {
    private(set) var text = ""
    private var path: [String] = []
    /// Lines that show an example of a table that the configuration does not have.
    private var isCommentedOut = false
    private static let width = 110

    mutating func write(paragraph: String) {
        text += (text.isEmpty ? "" : "\n") + Self.comment(paragraph)
    }

    mutating func write<Table: ConfigurationTable>(_ table: Table, named name: String, why: String) {
        path.append(name)
        defer { path.removeLast() }
        header(why: why)
        keys(of: table, showingDefaults: true)
        for section in Table.sections { section.write(table, &self) }
    }

    /// The first table shows every key, the others only what they set.
    mutating func write<Table: ConfigurationTable>(
        each tables: [String: Table], named name: String, example: String, why: String
    ) {
        path.append(name)
        defer { path.removeLast() }
        let shown = tables.isEmpty ? [(example, Table())] : tables.sorted { $0.key < $1.key }
        for (index, (name, table)) in shown.enumerated() {
            path.append(TOMLText.key(name))
            defer { path.removeLast() }
            let wasCommentedOut = isCommentedOut
            isCommentedOut = isCommentedOut || tables.isEmpty
            defer { isCommentedOut = wasCommentedOut }
            header(why: index == 0 ? why : nil)
            keys(of: table, showingDefaults: index == 0)
            if index == 0 { for section in Table.sections { section.write(table, &self) } }
        }
    }

    private mutating func header(why: String?) {
        text += "\n"
        if let why { text += Self.comment(why) }
        text += (isCommentedOut ? "#" : "") + "[" + path.joined(separator: ".") + "]\n"
    }

    private mutating func keys<Table: ConfigurationTable>(of table: Table, showingDefaults: Bool) {
        for key in Table.keys {
            let value = key.render(table)
            let standard = key.isRequired ? nil : key.render(Table())
            let isSet = value != standard
            guard isSet || showingDefaults else { continue }
            if showingDefaults {
                let note =
                    key.isRequired
                    ? "; required" : standard != nil ? "" : isSet ? "; no default" : "; no default, an example:"
                describe(key.why, "(\(key.summary)\(note))")
            }
            if isSet, !isCommentedOut, let value {
                text += "\(key.name) = \(value)\n"
            } else {
                text += "#\(key.name) = \(standard ?? key.example ?? "...")\n"
            }
        }
    }

    /// On one line where they fit.
    private mutating func describe(_ why: String, _ kind: String) {
        if why.count + kind.count + 3 <= Self.width {
            text += "# \(why) \(kind)\n"
        } else {
            text += Self.comment(why) + Self.comment(kind)
        }
    }

    private static func comment(_ prose: String) -> String {
        var lines: [String] = []
        var line = "#"
        for word in prose.split(separator: " ") {
            if line.count + 1 + word.count > width {
                lines.append(line)
                line = "#"
            }
            line += " " + word
        }
        return (lines + [line]).joined(separator: "\n") + "\n"
    }
}
