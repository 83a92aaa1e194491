extension WorkerConfiguration {
    /// `[replies]`
    public struct Replies: Sendable, Equatable {
        /// What the worker declares for a customer.
        public enum Declaration: String, Sendable, CaseIterable {
            case none, classic, stream
        }

        /// A topic exchange for replies; `nil` is the default exchange.
        public var exchange: String?
        /// With `{customer}`, and after loading without `{prefix}`; empty: a job that names no queue has none.
        public var defaultQueue = "{prefix}.reply.{customer}"
        /// Likewise, and with `*`.
        public var allow = ["{prefix}.reply.{customer}", "{prefix}.reply.{customer}.*"]
        public var allowsDirectReplyTo = true
        public var declare = Declaration.none
        public var expires: Duration = .seconds(86_400)
        /// In messages.
        public var maximumLength = 100_000
        /// In bytes.
        public var maximumLengthBytes = 64 << 20
        /// Bytes of one stream that wait for the broker before its socket is no longer read.
        public var highWaterBytes = 256 << 10
        /// Bytes of one answer, all choices.
        public var maximumAnswerBytes = 4 << 20
        /// Cancels a job whose reply queue is gone and which has no webhook.
        public var cancelsWhenUnread = false

        public init() {}
    }
}

extension WorkerConfiguration.Replies: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "exchange", \.exchange, .name(.label),
            "A topic exchange to publish replies to, with the customer as routing key, instead of straight to queues.",
            example: "\"chat.replies\""),
        .init(
            "default_queue", \.defaultQueue, .queuePattern(allowsStar: false, mayBeEmpty: true),
            "The reply queue of a job that names none; \"\" means no reply."),
        .init(
            "allow", \.allow, .list(of: .queuePattern(allowsStar: true)),
            "The only queues that a customer's job may reply to; * is any run of characters."),
        .init(
            "direct_reply_to", \.allowsDirectReplyTo, .flag, "Allow RabbitMQ's direct reply-to as a reply queue."),
        .init(
            "declare", \.declare, .choice(),
            "Declare a customer's default queue before replying: not at all, as a classic queue, or as a stream."),
        .init(
            "expires", \.expires, .duration(.seconds(60) ... .seconds(365 * 86_400)),
            "A declared classic queue goes after so long without use; a declared stream keeps messages so long."),
        .init(
            "max_length", \.maximumLength, .integer(100...100_000_000, of: "messages"),
            "A declared classic queue drops its oldest messages beyond this."),
        .init(
            "max_length_bytes", \.maximumLengthBytes, .size((64 << 10)...(1 << 40)),
            "A declared queue or stream drops its oldest messages beyond this."),
        .init(
            "high_water_bytes", \.highWaterBytes, .size(4_096...(64 << 20)),
            "Text of one stream that may wait for the broker; beyond it the gateway's socket is not read."),
        .init(
            "max_answer_bytes", \.maximumAnswerBytes, .size((64 << 10)...(64 << 20)),
            "Largest answer: text, reasoning and arguments together, decoded; beyond it the job fails. It bounds memory, and the "
                + "size of the last message."),
        .init(
            "cancel_when_unread", \.cancelsWhenUnread, .flag,
            "Cancel a job whose reply queue is gone and which has no webhook, so that nobody pays for what nobody reads."
        ),
    ]
}
