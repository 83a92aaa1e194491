/// A fault and whom it meets: `FAULT`, `FAULT@N` (the Nth time only, from 1), `FAULT@N-M`, `FAULT@P%` (by chance).
public struct FaultRule: Sendable, Equatable {
    public enum Selection: Sendable, Equatable {
        case always
        /// Counted from 1: upgrades for `refuse`, else requests.
        case ordinals(ClosedRange<Int>)
        /// 0 to 100.
        case chance(percent: Double)
    }

    public var fault: Fault
    public var selection: Selection

    public init(_ fault: Fault, _ selection: Selection = .always) {
        self.fault = fault
        self.selection = selection
    }

    public init(parsing text: String) throws(Fault.ParseError) {
        guard let mark = text.lastIndex(of: "@") else {
            self.init(try Fault(parsing: text))
            return
        }
        let fault = try Fault(parsing: String(text[..<mark]))
        let word = text[text.index(after: mark)...]
        if word.hasSuffix("%"), let percent = Double(word.dropLast()), (0...100).contains(percent) {
            self.init(fault, .chance(percent: percent))
            return
        }
        let bounds = word.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, 1 <= first,
            first <= last
        else {
            throw Fault.ParseError(description: "\(text): after @ comes N, N-M or P%")
        }
        self.init(fault, .ordinals(first...last))
    }

    /// Whether the fault meets the one who is the `ordinal`th (from 1).
    func strikes(ordinal: Int, using generator: inout some RandomNumberGenerator) -> Bool {
        switch selection {
        case .always: true
        case .ordinals(let range): range.contains(ordinal)
        case .chance(let percent): Double.random(in: 0..<100, using: &generator) < percent
        }
    }
}
