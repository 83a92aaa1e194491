import JobRunner

/// Writes metrics in Prometheus' text format, version 0.0.4.
struct PrometheusText {
    enum Kind: String { case counter, gauge, histogram }

    private(set) var text = ""

    typealias Labels = [(name: String, value: String)]

    /// A metric with one sample for each combination of labels.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: Labels, value: Double)]) {
        head(name, kind, help)
        for sample in samples { line(name, sample.labels, sample.value) }
    }

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        add(name, kind, help, [([], Double(value))])
    }

    mutating func add(_ name: String, _ help: String, _ reading: Histogram.Reading) {
        add(name, help, [([], reading)])
    }

    /// A histogram for each combination of labels.
    mutating func add(_ name: String, _ help: String, _ readings: [(labels: Labels, reading: Histogram.Reading)]) {
        head(name, .histogram, help)
        for (labels, reading) in readings {
            for bucket in reading.buckets {
                line(name + "_bucket", labels + [("le", Self.number(bucket.bound))], Double(bucket.count))
            }
            line(name + "_bucket", labels + [("le", "+Inf")], Double(reading.count))
            line(name + "_sum", labels, reading.sum)
            line(name + "_count", labels, Double(reading.count))
        }
    }

    private mutating func head(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func line(_ name: String, _ labels: Labels, _ value: Double) {
        text += name
        if !labels.isEmpty {
            text += "{" + labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}"
        }
        text += " \(Self.number(value))\n"
    }

    /// Whole numbers without a fraction.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
