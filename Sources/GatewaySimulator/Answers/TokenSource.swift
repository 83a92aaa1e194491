import NIOCore

/// Where the tokens of one choice come from.
enum TokenSource: Sendable {
    /// A part of a script.
    case script(TokenScript, start: Int)
    /// `NANOSECONDS:SEQUENCE ` with the monotonic clock's time at which the token was written.
    case timestamps
    /// Whole deltas as JSON, such as the pieces of tool calls.
    case deltas([[UInt8]])
}

/// One choice of an answer.
struct ChoicePlan: Sendable {
    var source: TokenSource
    var tokenCount: Int
    var finishReason: String
}
