/// What the scanner found in one chunk of an answer. Ranges are offsets in the message; strings are raw (escaped) contents
/// without their quotes, numbers and objects are as they stand.
///
/// A value that is kept from chunk to chunk, so that its storage is made once for a stream.
public struct ScannedChunk: Sendable, Equatable {
    /// One value of a chunk that is worth keeping.
    struct Part: BitwiseCopyable, Sendable, Equatable {
        enum Kind: UInt8, BitwiseCopyable, Sendable {
            /// Text of the answer.
            case content
            /// Another string of a delta, which `key` names: reasoning, a refusal, anything unknown.
            case member
            /// What a model thought, in a list of content parts.
            case thinking
            /// A fragment of a tool call begins: `value` is the whole of it, `key` the digits of its index, `number` the
            /// index or -1. The four kinds that follow belong to it.
            case call
            case callID
            case callType
            case callName
            case arguments
            /// Arguments that are no string but JSON.
            case argumentsObject
            case role
            case finish
            /// The digits of an index that counts up although one choice was asked for.
            case choiceIndex
            /// What stands beside the deltas: in the chunk, in the choice, and numbers and the like in the delta itself.
            case chunkMember
            case choiceMember
            case deltaMember
            /// Padding, which is worth nothing, and other in each chunk.
            case padding
        }

        var kind: Kind
        var hasEscapes = false
        /// Of a `message`, which holds the whole text and not the next piece of it.
        var isWhole = false
        /// That `message` stands beside a delta.
        var isBesideDelta = false
        var choice: Int32 = 0
        var number: Int32 = 0
        /// Raw name of a member.
        var key = ByteRange.empty
        var value = ByteRange.empty

        /// It is output: text that is appended to what came before it.
        var isText: Bool {
            switch kind {
            case .content, .member, .thinking, .arguments: true
            default: false
            }
        }
    }

    /// Metadata of the answer; empty where absent, null or of a type that cannot be read.
    public internal(set) var id = ByteRange.empty
    public internal(set) var model = ByteRange.empty
    public internal(set) var created = ByteRange.empty
    public internal(set) var systemFingerprint = ByteRange.empty
    public internal(set) var serviceTier = ByteRange.empty
    /// The `usage` object, of the chunk, of a choice (Moonshot) or of `x_groq`; empty where absent or null.
    public internal(set) var usage = ByteRange.empty

    /// In the order in which they stand in the message.
    var parts: [Part] = []

    /// `choices` is a non-empty array.
    public internal(set) var hasChoices = false
    /// All that it holds may be joined with what its neighbours hold.
    public internal(set) var isJoinable = true
    /// Some delta brings output (text, tool calls, reasoning, anything unknown): the first such is the "first token".
    public internal(set) var carriesOutput = false
    /// Bit i: choice i has a finish reason here (bit 63 stands for every index from 63).
    public internal(set) var finishedChoices: UInt64 = 0
    /// Bit i: choice i brings output here.
    public internal(set) var outputChoices: UInt64 = 0

    /// A stream that once had a chunk of very many parts does not keep room for them.
    private static let mostKeptParts = 64

    public init() {}

    /// Ready for the next message.
    mutating func reset() {
        (id, model, created, systemFingerprint, serviceTier, usage) = (
            .empty, .empty, .empty, .empty, .empty, .empty
        )
        if parts.capacity > Self.mostKeptParts { parts = [] } else { parts.removeAll(keepingCapacity: true) }
        (hasChoices, isJoinable, carriesOutput, finishedChoices, outputChoices) = (false, true, false, 0, 0)
    }

    /// The bit of a choice in the masks.
    static func bit(_ choice: Int32) -> UInt64 { 1 &<< UInt64(min(max(choice, 0), 63)) }

    /// The raw text that choice 0 gets, where it is one piece; for tests and tools.
    public var content: ByteRange { contentPieces.first ?? .empty }

    /// The raw pieces of text that choice 0 gets; for tests and tools.
    public var contentPieces: [ByteRange] {
        parts.filter { $0.kind == .content && $0.choice == 0 }.map(\.value)
    }

    /// The finish reason of choice 0; empty where it has none here.
    public var finishReason: ByteRange {
        parts.first { $0.kind == .finish && $0.choice == 0 }?.value ?? .empty
    }
}

/// What a message of the gateway is.
public enum ScanResult: Sendable, Equatable {
    case chunk(ScannedChunk)
    /// The bare word `[DONE]`, with which SSE streams end.
    case done
    /// An object with an `error` that says something, or of type `error`, or a list that begins with one.
    case error
    /// JSON, but nothing of an answer: a keep-alive, an empty object, something unknown.
    case other
    case invalid(JSONError)
}
