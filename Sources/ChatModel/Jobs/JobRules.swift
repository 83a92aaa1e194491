/// What the configuration says about jobs. Plain data and rules; checked once at start.
public struct JobRules: Sendable {
    /// Where a job's customer is taken from.
    public enum CustomerSource: Sendable { case job, userID }

    /// Largest body in bytes.
    public var maximumBytes: Int
    public var customerSource: CustomerSource
    public var profiles: [String: Profile]
    public var models: [String: ModelRoute]
    /// For models that `models` does not list; `nil` refuses them.
    public var defaultRoute: ModelRoute?
    public var replies: ReplyRules
    /// Says why a webhook cannot be used for a customer, or `nil` where it can (asked of the layer that knows URLs,
    /// endpoints and secrets).
    public var webhookProblem: @Sendable (_ webhook: String, _ customer: String) -> String?

    public init(
        maximumBytes: Int = 1 << 20, customerSource: CustomerSource = .job, profiles: [String: Profile] = [:],
        models: [String: ModelRoute] = [:], defaultRoute: ModelRoute? = nil, replies: ReplyRules = ReplyRules(),
        webhookProblem: @escaping @Sendable (_ webhook: String, _ customer: String) -> String? = { _, _ in nil }
    ) {
        self.maximumBytes = maximumBytes
        self.customerSource = customerSource
        self.profiles = profiles
        self.models = models
        self.defaultRoute = defaultRoute
        self.replies = replies
        self.webhookProblem = webhookProblem
    }

    func route(for model: String) -> ModelRoute? {
        if let route = models[model] { return route }
        guard var route = defaultRoute else { return nil }
        route.upstreamModel = model
        return route
    }
}

/// On which queues a customer may be answered.
public struct ReplyRules: Sendable, Equatable {
    /// Patterns with `{customer}` and `*` (any run of characters). A queue is allowed where one of them matches whole.
    public var allow: [String]
    public var allowsDirectReplyTo: Bool
    /// The queue of a job that names none, with `{customer}`; `nil` means that such a job has no reply queue.
    public var defaultQueue: String?

    /// RabbitMQ's pseudo queue for a reader that waits on its own channel.
    public static let directReplyToPrefix = "amq.rabbitmq.reply-to."

    public init(
        allow: [String] = ["chat.reply.{customer}", "chat.reply.{customer}.*"], allowsDirectReplyTo: Bool = true,
        defaultQueue: String? = "chat.reply.{customer}"
    ) {
        self.allow = allow
        self.allowsDirectReplyTo = allowsDirectReplyTo
        self.defaultQueue = defaultQueue
    }

    public func defaultQueue(of customer: String) -> String? {
        defaultQueue.map { Self.filled($0, customer) }
    }

    public func allows(_ queue: String, for customer: String) -> Bool {
        if Self.claimsDirectReply(queue) { return allowsDirectReplyTo && DirectReplyName.isValid(queue) }
        return allow.contains { pattern in
            Self.matches(Array(queue.utf8)[...], pattern: Array(Self.filled(pattern, customer).utf8)[...])
        }
    }

    /// Also the bare name, which means something to who consumes it only.
    static func claimsDirectReply(_ queue: String) -> Bool {
        queue.utf8.starts(with: directReplyToPrefix.utf8.dropLast())
    }

    private static func filled(_ template: String, _ customer: String) -> String {
        var parts: [Substring] = []
        var rest = template[...]
        while let range = rest.firstRange(of: "{customer}") {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        parts.append(rest)
        return parts.joined(separator: customer)
    }

    /// Glob matching in linear time per star (the last star is the only one that is ever moved).
    private static func matches(_ text: ArraySlice<UInt8>, pattern: ArraySlice<UInt8>) -> Bool {
        var text = text
        var pattern = pattern
        var retry: (text: ArraySlice<UInt8>, pattern: ArraySlice<UInt8>)?
        while true {
            if pattern.first == 0x2A {
                pattern = pattern.dropFirst()
                retry = (text, pattern)
            } else if let byte = text.first, byte == pattern.first {
                text = text.dropFirst()
                pattern = pattern.dropFirst()
            } else if text.isEmpty, pattern.isEmpty {
                return true
            } else if let last = retry, !last.text.isEmpty {
                text = last.text.dropFirst()
                pattern = last.pattern
                retry = (text, pattern)
            } else {
                return false
            }
        }
    }
}
