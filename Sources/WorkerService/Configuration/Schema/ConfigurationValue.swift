/// Says what is wrong at a path below the value that is being read (empty: the value itself).
typealias ConfigurationReport = (_ path: [String], _ message: String) -> Void

/// A kind of value that a key can have: how it is described, read, checked and written.
struct ConfigurationValue<Value: Sendable>: Sendable {
    /// For the reference: `duration, 1s to 1m`.
    let summary: String
    /// `nil` after a report.
    let decode: @Sendable (TOMLNode, ConfigurationReport) -> Value?
    /// As TOML.
    let render: @Sendable (Value) -> String

    /// A value that is written as a text and may be wrong in one way at a time.
    static func text(
        _ summary: String, parse: @escaping @Sendable (String) throws(ConfigurationValueError) -> Value,
        render: @escaping @Sendable (Value) -> String
    ) -> Self {
        Self(summary: summary) { node, report in
            guard case .string(let text) = node else {
                report([], "must be \(summary), in quotes, not \(node.kind)")
                return nil
            }
            do throws(ConfigurationValueError) {
                return try parse(text)
            } catch {
                report([], error.message)
                return nil
            }
        } render: { value in
            TOMLText.quoted(render(value))
        }
    }

    /// The same kind under a further condition; `problem` says what is wrong.
    func checked(_ problem: @escaping @Sendable (Value) -> String?) -> Self {
        Self(summary: summary) { node, report in
            guard let value = decode(node, report) else { return nil }
            guard let message = problem(value) else { return value }
            report([], message)
            return nil
        } render: {
            render($0)
        }
    }

    /// A list of such values; every wrong element is reported on its own line.
    static func list<Element>(of element: ConfigurationValue<Element>, atLeast least: Int = 0) -> Self
    where Value == [Element] {
        Self(summary: "list of: \(element.summary)") { node, report in
            guard case .array(let nodes) = node else {
                report([], "must be a list, in [ ], not \(node.kind)")
                return nil
            }
            if nodes.count < least { report([], "needs at least \(least) element(s)") }
            return nodes.enumerated().compactMap { index, node in
                element.decode(node) { path, message in report(["[\(index)]"] + path, message) }
            }
        } render: { values in
            "[" + values.map(element.render).joined(separator: ", ") + "]"
        }
    }
}

/// Why a text is not the value that it should be, and what to write instead.
struct ConfigurationValueError: Error, Equatable {
    var message: String

    init(_ message: String) {
        self.message = message
    }
}

/// Writing TOML.
enum TOMLText {
    /// A basic string.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// A key, quoted where it has to be.
    static func key(_ name: String) -> String {
        let isBare = !name.isEmpty && name.utf8.allSatisfy { ConfigurationName.isWordByte($0) }
        return isBare ? name : quoted(name)
    }
}
