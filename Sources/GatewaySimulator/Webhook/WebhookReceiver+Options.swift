public import Webhooks

extension WebhookReceiver {
    /// How a receiver answers. The defaults accept everything that is signed well.
    public struct Options: Sendable {
        public var host = "127.0.0.1"
        /// 0 takes a free one.
        public var port = 0
        /// Any of them may have signed; empty checks nothing.
        public var secrets: [WebhookSecret] = []
        /// Seconds that a timestamp may be off, as the reference libraries take it.
        public var tolerance: Int64 = 300
        /// Answered to what is signed well.
        public var status = 204
        /// So many requests, the first ones, are answered with `failStatus`.
        public var failFirst = 0
        public var failStatus = 500
        /// Sent with `failStatus`.
        public var retryAfter: String?
        /// Before every answer.
        public var delay: Duration = .zero
        /// Larger bodies are answered with 413.
        public var maximumBodySize = 16 << 20
        /// Keeps every delivery for `received`; memory grows with them.
        public var recordsDeliveries = true

        public init() {}
    }
}
