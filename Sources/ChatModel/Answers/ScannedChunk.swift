/// What the scanner found in one `chat.completion.chunk`. Ranges are offsets in the message; strings are raw
/// (escaped) contents without their quotes, numbers and objects are as they stand.
public struct ScannedChunk: BitwiseCopyable, Sendable, Equatable {
    /// Metadata of the answer; empty where absent or null.
    public var id = ByteRange.empty
    public var model = ByteRange.empty
    public var created = ByteRange.empty
    public var systemFingerprint = ByteRange.empty
    public var serviceTier = ByteRange.empty
    /// The `usage` object, empty where absent or null.
    public var usage = ByteRange.empty

    /// Role and content of choice 0's delta, and its finish reason.
    public var role = ByteRange.empty
    public var content = ByteRange.empty
    public var finishReason = ByteRange.empty
    public var contentHasEscapes = false

    /// `choices` is a non-empty array.
    public var hasChoices = false
    /// Nothing but role, content and finish reason of choice 0: this chunk may be joined with its neighbours.
    public var isPlain = true
    /// Some delta brings output (text, tool calls, reasoning, anything unknown): the first such is the "first token".
    public var carriesOutput = false
    /// Bit i: choice i has a finish reason here (bit 63 stands for every index from 63).
    public var finishedChoices: UInt64 = 0

    public init() {}
}

/// What a message of the gateway is.
public enum ScanResult: Sendable, Equatable {
    case chunk(ScannedChunk)
    /// The bare word `[DONE]`, with which SSE streams end.
    case done
    /// An object with a non-null `error`, or of type `error`.
    case error
    /// JSON, but nothing of a chunk: not an object, or one without `choices` and `usage`.
    case other
    case invalid(JSONError)
}
