/// Something that goes wrong on purpose, in its written form `KIND[:ARGUMENT…]`.
public enum Fault: Sendable, Equatable {
    /// The shapes in which gateways wrap an error.
    public enum ErrorShape: String, Sendable, CaseIterable {
        /// `{"error": {…}}`
        case nested
        /// `{"type": "error", "code", "message"}`
        case flat
        /// `{"type": "error", "status", "error": {…}}`
        case typed
    }

    /// `refuse:STATUS[:RETRY-AFTER]`: the upgrade is refused; in a request, an error frame with that status.
    case refuse(status: Int, retryAfter: String?)
    /// `close:CODE:TOKENS`: a close frame after so many tokens.
    case close(code: UInt16, after: Int)
    /// `cut:TOKENS`: the connection ends without a close frame.
    case cut(after: Int)
    /// `reset:TOKENS`: the connection is reset.
    case reset(after: Int)
    /// `silence:TOKENS`: nothing more is sent, the connection stays open and answers pings.
    case silence(after: Int)
    /// `garbage:TOKENS`: one message that is not JSON, then the answer goes on.
    case garbage(after: Int)
    /// `utf8:TOKENS`: one text message that ends inside a character, then the answer goes on.
    case invalidUTF8(after: Int)
    /// `swap-id:TOKENS`: the rest of the answer has another chunk id.
    case swapID(after: Int)
    /// `error:TYPE:TOKENS[:SHAPE]`: an error frame, which ends the answer.
    case error(type: String, after: Int, shape: ErrorShape)
    /// `late`: the next request on the connection gets chunks of this answer's id among its own.
    case late

    /// Why a written fault was not understood.
    public struct ParseError: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String
    }

    public init(parsing text: String) throws(ParseError) {
        var arguments = text.split(separator: ":", omittingEmptySubsequences: false).dropFirst()
        let kind = String(text.prefix { $0 != ":" })
        func failure(_ form: String) -> ParseError { ParseError(description: "\(text): the form is \(form)") }
        func number(_ form: String, in range: ClosedRange<Int>, default fallback: Int?) throws(ParseError) -> Int {
            guard let word = arguments.popFirst() else {
                guard let fallback else { throw failure(form) }
                return fallback
            }
            guard let value = Int(word), range.contains(value) else { throw failure(form) }
            return value
        }
        let tokens = 0...Int(Int32.max)
        switch kind {
        case "refuse":
            let status = try number("refuse:STATUS[:RETRY-AFTER]", in: 300...599, default: nil)
            self = .refuse(status: status, retryAfter: arguments.popFirst().map(String.init))
        case "close":
            let code = try number("close:CODE[:TOKENS]", in: 1000...4999, default: nil)
            self = .close(
                code: UInt16(truncatingIfNeeded: code), after: try number("close:CODE[:TOKENS]", in: tokens, default: 0)
            )
        case "cut": self = .cut(after: try number("cut[:TOKENS]", in: tokens, default: 0))
        case "reset": self = .reset(after: try number("reset[:TOKENS]", in: tokens, default: 0))
        case "silence": self = .silence(after: try number("silence[:TOKENS]", in: tokens, default: 0))
        case "garbage": self = .garbage(after: try number("garbage[:TOKENS]", in: tokens, default: 0))
        case "utf8": self = .invalidUTF8(after: try number("utf8[:TOKENS]", in: tokens, default: 0))
        case "swap-id": self = .swapID(after: try number("swap-id[:TOKENS]", in: tokens, default: 1))
        case "error":
            let form = "error:TYPE[:TOKENS[:nested|flat|typed]]"
            guard let type = arguments.popFirst(), !type.isEmpty else { throw failure(form) }
            let after = try number(form, in: tokens, default: 0)
            let word = arguments.popFirst().map(String.init) ?? "nested"
            guard let shape = ErrorShape(rawValue: word) else { throw failure(form) }
            self = .error(type: String(type), after: after, shape: shape)
        case "late": self = .late
        default:
            throw ParseError(
                description:
                    "\(text): the faults are refuse, close, cut, reset, silence, garbage, utf8, swap-id, error, late"
            )
        }
        if let extra = arguments.first {
            throw ParseError(description: "\(text): \(extra) is too much")
        }
    }

    /// The tokens (of each choice) that are sent before the fault; `nil` where it does not strike within an answer.
    var tokensBefore: Int? {
        switch self {
        case .close(_, let after), .cut(let after), .reset(let after), .silence(let after), .garbage(let after),
            .invalidUTF8(let after), .swapID(let after), .error(_, let after, _):
            after
        case .refuse, .late: nil
        }
    }

    /// The word in its written form.
    var kind: String {
        switch self {
        case .refuse: "refuse"
        case .close: "close"
        case .cut: "cut"
        case .reset: "reset"
        case .silence: "silence"
        case .garbage: "garbage"
        case .invalidUTF8: "utf8"
        case .swapID: "swap-id"
        case .error: "error"
        case .late: "late"
        }
    }
}
