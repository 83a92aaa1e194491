public import AMQP
import ChatModel
public import JobRunner

/// Puts one job on the broker and reads its answer: what `send` does, and what any backend does. Blocking; one thread.
public final class JobSender {
    /// What to ask.
    public struct Question: Sendable {
        public var text: String
        public var system: String?
        public var customer: String
        public var job: String
        public var model: String?
        public var profile: String?
        public var webhook: String?

        public init(
            text: String, system: String? = nil, customer: String, job: String, model: String? = nil,
            profile: String? = nil, webhook: String? = nil
        ) {
            self.text = text
            self.system = system
            self.customer = customer
            self.job = job
            self.model = model
            self.profile = profile
            self.webhook = webhook
        }

        /// A chat completion request with its `job`.
        var body: [UInt8] {
            var messages: [JSONValue] = []
            if let system { messages.append(Self.message("system", system)) }
            messages.append(Self.message("user", text))
            var job: [JSONValue.Member] = [
                .init("id", .string(self.job)), .init("customer", .string(customer)),
            ]
            if let profile { job.append(.init("profile", .string(profile))) }
            if let webhook { job.append(.init("webhook", .string(webhook))) }
            var members: [JSONValue.Member] = []
            if let model { members.append(.init("model", .string(model))) }
            members += [.init("messages", .array(messages)), .init("job", .object(job))]
            return JSONValue.object(members).serialized()
        }

        private static func message(_ role: String, _ content: String) -> JSONValue {
            .object([.init("role", .string(role)), .init("content", .string(content))])
        }
    }

    /// Why a job could not be sent.
    public enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case notRouted(exchange: String)
        case refused

        public var description: String {
            switch self {
            case .notRouted(let exchange):
                "nothing takes jobs from the exchange \(exchange): start a worker once, or run `chat-worker topology --declare`"
            case .refused: "the broker refused the job: its queue is full"
            }
        }
    }

    private let session: AMQPSession
    private let names: QueueNames
    /// The queue that this sender reads, gone with its connection.
    public let replyQueue: String

    /// Connects, and declares an exclusive reply queue that the customer's `replies.allow` must permit.
    public init(configuration: AMQPConfiguration, names: QueueNames, replyQueue: String) throws(AMQPError) {
        session = try AMQPSession(configuration: configuration, role: "send")
        self.names = names
        self.replyQueue = replyQueue
        try session.declareQueue(replyQueue, exclusive: true, autoDelete: true)
        try session.consume(replyQueue, noAck: true)
    }

    /// Publishes with a confirm.
    public func send(_ question: Question, routingKey: String = "jobs") throws {
        let outcome: AMQPSession.PublishOutcome
        do throws(AMQPError) {
            outcome = try session.publish(
                exchange: names.intake, routingKey: routingKey,
                properties: MessageProperties(
                    contentType: "application/json", isPersistent: true, correlationID: question.job,
                    replyTo: replyQueue, messageID: question.job),
                body: question.body, mandatory: true)
        } catch {
            // No worker has been here yet: not even the exchange exists.
            throw error.code == .channelClosed && error.replyCode == 404
                ? Failure.notRouted(exchange: names.intake) : error
        }
        switch outcome {
        case .confirmed: return
        case .rejected: throw Failure.refused
        case .returned: throw Failure.notRouted(exchange: names.intake)
        }
    }

    /// The next reply, or `nil` when none came in time.
    public func receive(timeout: Duration) throws(AMQPError) -> Delivery? { try session.receive(timeout: timeout) }

    public func close() { session.close() }
}
