extension Fault {
    /// Why a written fault was not understood.
    public struct ParseError: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String
    }

    /// Each written form, in the order in which help lists them.
    public static let forms = [
        "refuse:STATUS[:RETRY-AFTER]", "mute", "hang", "drip-head:MS", "drip:MS[:TOKENS]", "close:CODE[:TOKENS]",
        "cut[:TOKENS]", "reset[:TOKENS]", "silence[:TOKENS]", "garbage[:TOKENS]", "other-json[:TOKENS]",
        "utf8[:TOKENS]", "oversize:BYTES[:TOKENS]", "fragments:COUNT[:TOKENS]", "pings:COUNT[:TOKENS]",
        "bad-frame[:TOKENS]", "swap-id[:TOKENS]", "error:TYPE[:TOKENS[:nested|flat|typed|text]]",
        "filter[:TOKENS]", "late",
    ]

    /// The word in its written form.
    var kind: String {
        switch self {
        case .mute: "mute"
        case .refuse: "refuse"
        case .hang: "hang"
        case .dripHead: "drip-head"
        case .drip: "drip"
        case .close: "close"
        case .cut: "cut"
        case .reset: "reset"
        case .silence: "silence"
        case .garbage: "garbage"
        case .otherJSON: "other-json"
        case .invalidUTF8: "utf8"
        case .oversize: "oversize"
        case .fragments: "fragments"
        case .pings: "pings"
        case .badFrame: "bad-frame"
        case .swapID: "swap-id"
        case .error: "error"
        case .filter: "filter"
        case .late: "late"
        }
    }

    public init(parsing text: String) throws(ParseError) {
        var words = Words(text)
        switch words.kind {
        case "mute": self = .mute
        case "refuse":
            let status = try words.number(300...599)
            self = .refuse(status: status, retryAfter: words.next())
        case "hang": self = .hang
        case "drip-head": self = .dripHead(milliseconds: try words.number(1...60_000))
        case "drip": self = .drip(milliseconds: try words.number(1...60_000), after: try words.tokens())
        case "close":
            let code = UInt16(truncatingIfNeeded: try words.number(1000...4999))
            self = .close(code: code, after: try words.tokens())
        case "cut": self = .cut(after: try words.tokens())
        case "reset": self = .reset(after: try words.tokens())
        case "silence": self = .silence(after: try words.tokens())
        case "garbage": self = .garbage(after: try words.tokens())
        case "other-json": self = .otherJSON(after: try words.tokens())
        case "utf8": self = .invalidUTF8(after: try words.tokens())
        case "oversize": self = .oversize(bytes: try words.number(1...(1 << 30)), after: try words.tokens())
        case "fragments": self = .fragments(count: try words.number(1...10_000_000), after: try words.tokens())
        case "pings": self = .pings(count: try words.number(1...10_000_000), after: try words.tokens())
        case "bad-frame": self = .badFrame(after: try words.tokens())
        case "swap-id": self = .swapID(after: try words.tokens(default: 1))
        case "error":
            guard let type = words.next(), !type.isEmpty else { throw words.failure }
            let after = try words.tokens()
            guard let shape = ErrorShape(rawValue: words.next() ?? "nested") else { throw words.failure }
            self = .error(type: type, after: after, shape: shape)
        case "filter": self = .filter(after: try words.tokens())
        case "late": self = .late
        default:
            let kinds = Self.forms.map { $0.prefix { $0 != ":" && $0 != "[" } }.joined(separator: ", ")
            throw ParseError(description: "\(text): the faults are \(kinds)")
        }
        try words.end()
    }
}

/// The words between the colons of a written fault.
private struct Words {
    let text: String
    let kind: String
    private var rest: ArraySlice<Substring>

    init(_ text: String) {
        self.text = text
        rest = text.split(separator: ":", omittingEmptySubsequences: false).dropFirst()
        kind = String(text.prefix { $0 != ":" })
    }

    var failure: Fault.ParseError {
        let form = Fault.forms.first { $0.prefix { $0 != ":" && $0 != "[" } == kind } ?? kind
        return Fault.ParseError(description: "\(text): the form is \(form)")
    }

    mutating func next() -> String? { rest.popFirst().map(String.init) }

    mutating func number(_ range: ClosedRange<Int>) throws(Fault.ParseError) -> Int {
        guard let word = rest.popFirst(), let value = Int(word), range.contains(value) else { throw failure }
        return value
    }

    mutating func tokens(default fallback: Int = 0) throws(Fault.ParseError) -> Int {
        rest.isEmpty ? fallback : try number(0...Int(Int32.max))
    }

    func end() throws(Fault.ParseError) {
        if let extra = rest.first { throw Fault.ParseError(description: "\(text): \(extra) is too much") }
    }
}
