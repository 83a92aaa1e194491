/// Something that goes wrong on purpose. Its written form, `KIND[:ARGUMENT…]`, stands in `Fault+Parsing.swift`.
public enum Fault: Sendable, Equatable {
    /// The shapes in which gateways wrap an error.
    public enum ErrorShape: String, Sendable, CaseIterable {
        /// `{"error": {…}}`
        case nested
        /// `{"type": "error", "code", "message"}`
        case flat
        /// `{"type": "error", "status", "error": {…}}`
        case typed
        /// `{"error": "…"}`
        case text
    }

    /// When a fault is looked for: once for each connection, for each upgrade or request over HTTP, for each request.
    public enum Stage: Sendable, CaseIterable { case connection, head, request }

    /// In place of `RETRY-AFTER`: no wait helps, and the message says so as OpenAI's does.
    static let neverPasses = "never"
    static let tooLarge =
        "Request too large for m on tokens per min (TPM): Limit 30000, Requested 342389. The input or output tokens must be reduced."

    /// `mute`: the connection is accepted, and nothing is ever said on it, not even of TLS.
    case mute
    /// `refuse:STATUS[:RETRY-AFTER]`: the upgrade is refused; in a request, an error frame with that status. `RETRY-AFTER`
    /// is in seconds, or with `ms` behind it in milliseconds, or `never`: one request is larger than its limit. A redirect leads to `/redirected`.
    case refuse(status: Int, retryAfter: String?)
    /// `hang`: the upgrade, or a request over HTTP, is never answered.
    case hang
    /// `drip-head:MS`: from the answer's head on, everything leaves a byte at a time, `MS` apart.
    case dripHead(milliseconds: Int)
    /// `drip:MS:TOKENS`: the same after so many tokens.
    case drip(milliseconds: Int, after: Int)
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
    /// `other-json:TOKENS`: one message that is JSON and no chunk, then the answer goes on.
    case otherJSON(after: Int)
    /// `utf8:TOKENS`: one text message that ends inside a character, then the answer goes on.
    case invalidUTF8(after: Int)
    /// `oversize:BYTES:TOKENS`: one chunk of so many bytes, without text, then the answer goes on.
    case oversize(bytes: Int, after: Int)
    /// `fragments:COUNT:TOKENS`: one chunk, without text, in so many frames; then the answer goes on.
    case fragments(count: Int, after: Int)
    /// `pings:COUNT:TOKENS`: the same with a ping behind each of the frames.
    case pings(count: Int, after: Int)
    /// `bad-frame:TOKENS`: a frame with a reserved bit set, then the answer goes on.
    case badFrame(after: Int)
    /// `swap-id:TOKENS`: the rest of the answer has another chunk id.
    case swapID(after: Int)
    /// `error:TYPE:TOKENS[:SHAPE]`: an error frame, which ends the answer.
    case error(type: String, after: Int, shape: ErrorShape)
    /// `filter:TOKENS`: the answer ends as a model's content filter ends it, with the finish reason `content_filter`.
    case filter(after: Int)
    /// `late`: the next request on the connection gets chunks of this answer's id among its own.
    case late

    /// The tokens (of each choice) that are sent before the fault; `nil` where it does not strike within an answer.
    var tokensBefore: Int? {
        switch self {
        case .close(_, let after), .cut(let after), .reset(let after), .silence(let after), .garbage(let after),
            .otherJSON(let after), .invalidUTF8(let after), .oversize(_, let after), .fragments(_, let after),
            .pings(_, let after), .badFrame(let after), .swapID(let after), .error(_, let after, _),
            .drip(_, let after), .filter(let after):
            after
        case .mute, .refuse, .hang, .dripHead, .late: nil
        }
    }

    /// Nothing of an answer is sent as it should be.
    var isBeforeTheAnswer: Bool {
        switch self {
        case .hang, .dripHead: true
        default: false
        }
    }

    public var stage: Stage {
        switch self {
        case .mute: .connection
        case .refuse, .hang, .dripHead: .head
        default: .request
        }
    }
}
