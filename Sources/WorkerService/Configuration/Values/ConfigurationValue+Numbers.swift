extension ConfigurationValue<Duration> {
    /// A text with unit. An integer is refused: nobody could tell its unit.
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        let bounds = "\(DurationText.render(range.lowerBound)) to \(DurationText.render(range.upperBound))"
        return Self(summary: "duration, \(bounds)") { node, report in
            switch node {
            case .string(let text):
                do throws(ConfigurationValueError) {
                    let duration = try DurationText.parse(text)
                    if range.contains(duration) { return duration }
                    report([], "must be \(bounds), not \(text)")
                } catch {
                    report([], error.message)
                }
            case .integer(let number):
                report([], "has no unit: \(number) of what? \(DurationText.hint)")
            default:
                report([], "must be a duration, not \(node.kind); \(DurationText.hint)")
            }
            return nil
        } render: {
            TOMLText.quoted(DurationText.render($0))
        }
    }
}

extension ConfigurationValue<Int> {
    static func integer(_ range: ClosedRange<Int>, of what: String = "integer") -> Self {
        Self(summary: "\(what), \(range.lowerBound) to \(range.upperBound)") { node, report in
            guard case .integer(let number) = node else {
                report([], "must be an integer without quotes, not \(node.kind)")
                return nil
            }
            guard range.contains(number) else {
                report([], "must be \(range.lowerBound) to \(range.upperBound), not \(number)")
                return nil
            }
            return number
        } render: {
            "\($0)"
        }
    }

    /// In bytes.
    static func size(_ range: ClosedRange<Int>) -> Self {
        let bounds = "\(SizeText.render(range.lowerBound)) to \(SizeText.render(range.upperBound))"
        return Self(summary: "size, \(bounds)") { node, report in
            let size: Int
            switch node {
            case .integer(let bytes): size = bytes
            case .string(let text):
                do throws(ConfigurationValueError) {
                    size = try SizeText.parse(text)
                } catch {
                    report([], error.message)
                    return nil
                }
            default:
                report([], "must be a size, not \(node.kind); \(SizeText.hint)")
                return nil
            }
            guard range.contains(size) else {
                report([], "must be \(bounds), not \(SizeText.render(size))")
                return nil
            }
            return size
        } render: { size in
            let text = SizeText.render(size)
            return text.hasSuffix("B") ? TOMLText.quoted(text) : text
        }
    }
}

extension ConfigurationValue<Double> {
    /// An integer is one, too.
    static func number(_ range: ClosedRange<Double>, of what: String = "number") -> Self {
        let bounds = "\(render(range.lowerBound)) to \(render(range.upperBound))"
        return Self(summary: "\(what), \(bounds)") { node, report in
            let number: Double
            switch node {
            case .integer(let whole): number = Double(whole)
            case .number(let fraction): number = fraction
            default:
                report([], "must be a number without quotes, not \(node.kind)")
                return nil
            }
            // False for NaN, too.
            guard range.contains(number) else {
                report([], "must be \(bounds), not \(number)")
                return nil
            }
            return number
        } render: {
            Self.render($0)
        }
    }

    private static func render(_ number: Double) -> String {
        Int(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}

extension ConfigurationValue<Bool> {
    static var flag: Self {
        Self(summary: "true or false") { node, report in
            if case .flag(let value) = node { return value }
            report([], "must be true or false without quotes, not \(node.kind)")
            return nil
        } render: {
            $0 ? "true" : "false"
        }
    }
}
