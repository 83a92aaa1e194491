/// One answer in the form of one provider: its head, its frames and the pauses between them.
public struct ProviderShape: Sendable {
    /// One thing that the provider does; carried out in this order.
    public enum Step: Sendable, Equatable {
        /// One message: JSON as the provider writes it.
        case frame(String)
        /// The same, but only if the request asks for usage.
        case usage(String)
        /// Bytes of the event stream as they stand, such as a comment; nothing over a WebSocket.
        case raw(String)
        case wait(milliseconds: Int)
        /// The message `[DONE]`.
        case done
    }

    /// Unique among the shapes of its provider, such as `plain` or `tools`.
    public var name: String
    /// Anything but 200 is a refusal, and the steps are its body; over a WebSocket they are messages all the same.
    public var status: Int
    /// The values of `Content-Type`: usually one.
    public var contentTypes: [String]
    /// Seconds, or with `ms` behind them milliseconds; only with a refusal.
    public var retryAfter: String?
    public var steps: [Step]

    init(
        _ name: String, status: Int = 200, contentTypes: [String] = ["text/event-stream; charset=utf-8"],
        retryAfter: String? = nil, _ steps: [Step]
    ) {
        self.name = name
        self.status = status
        self.contentTypes = contentTypes
        self.retryAfter = retryAfter
        self.steps = steps
    }

    /// An answer of frames only, with `[DONE]` at its end.
    static func answer(_ name: String, _ frames: String...) -> ProviderShape {
        ProviderShape(name, frames.map(Step.frame) + [.done])
    }

    /// A request that is refused.
    static func refusal(_ name: String, _ status: Int, retryAfter: String? = nil, _ body: String) -> ProviderShape {
        ProviderShape(name, status: status, retryAfter: retryAfter, [.frame(body)])
    }

    /// The body of a refusal.
    var body: [UInt8] {
        for case .frame(let text) in steps { return Array(text.utf8) }
        return []
    }
}
