public import AMQP
public import ChatModel

/// A consumer's whole rule, as the contract states it: the highest attempt wins, what was seen is skipped, a gap is
/// healed by the terminal. Used by `send` and `tail`, and by the tests as an independent reader.
public struct ReplyReader: Sendable {
    /// What a reply means to somebody who reads along.
    public enum Event: Sendable, Equatable {
        /// More of the answer's text (choice 0).
        case text(String)
        /// Something else streamed: tool calls, reasoning, another choice.
        case other
        /// Throw away the text so far: another attempt speaks.
        case reset
        /// The whole result, as JSON. Ends the job.
        case completed(JSONValue)
        /// The `error` body. Ends the job.
        case failed(JSONValue)
        /// Seen before, of an earlier attempt, or not of this contract.
        case skipped
    }

    /// Text of the winning attempt as far as it came in order.
    public private(set) var text = ""
    /// A sequence number is missing in the winning attempt.
    public private(set) var hasGap = false
    /// Messages taken of the winning attempt.
    public private(set) var messages = 0
    private var attempt: Int64 = -1
    private var nextSequence: Int64 = 0

    public init() {}

    public mutating func take(_ delivery: Delivery) -> Event {
        let headers = delivery.properties.headers
        guard let type = delivery.properties.type, let attempt = headers.integer("x-attempt"),
            let sequence = headers.integer("x-seq")
        else { return .skipped }
        if attempt < self.attempt { return .skipped }
        var isNewAttempt = false
        if attempt > self.attempt {
            isNewAttempt = self.attempt >= 0 && !text.isEmpty
            self.attempt = attempt
            nextSequence = 0
            messages = 0
            text = ""
            hasGap = false
        }
        guard sequence >= nextSequence else { return .skipped }
        if sequence > nextSequence { hasGap = true }
        nextSequence = sequence &+ 1
        messages += 1
        guard let body = try? JSONValue(parsing: delivery.body) else { return .skipped }
        switch type {
        case "chat.completion": return .completed(body)
        case "error": return .failed(body)
        case "chat.completion.reset": return .reset
        case "chat.completion.chunk":
            let added = Self.content(of: body)
            text += added ?? ""
            if isNewAttempt { return .reset }
            return added.map { .text($0) } ?? .other
        default: return .skipped
        }
    }

    /// Text of choice 0 in a chunk.
    private static func content(of chunk: JSONValue) -> String? {
        let choice = chunk["choices"]?.arrayValue?.first { ($0["index"]?.integerValue ?? 0) == 0 }
        return choice?["delta"]?["content"]?.stringValue
    }
}
