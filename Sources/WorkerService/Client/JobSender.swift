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
        /// The login may not do what this takes; `needed` is a command that gives a login the rights.
        case forbidden(user: String, what: String, needed: String)

        public var description: String {
            switch self {
            case .notRouted(let exchange):
                "nothing takes jobs from the exchange \(exchange): start a worker once, or run `chat-worker topology --declare`"
            case .refused: "the broker refused the job: its queue is full"
            case .forbidden(let user, let what, let needed):
                "the broker's user '\(user)' may not \(what). A login that may send jobs, and no more, has these rights (set "
                    + "them for a login of its own: they replace what a login has):\n  \(needed)"
            }
        }
    }

    private let session: AMQPSession
    private let names: QueueNames
    private let rights: Rights
    /// What this sender reads, gone with its connection.
    public let replyQueue: String

    /// RabbitMQ's pseudo-queue: replies come straight to this connection, and no rights are needed to read them.
    private static let directReplies = "amq.rabbitmq.reply-to"

    /// Connects, and declares an exclusive reply queue that the customer's `replies.allow` must permit. A login that may not
    /// do that gets its answer by RabbitMQ's direct reply-to, where the worker allows that.
    public init(
        configuration: AMQPConfiguration, names: QueueNames, replyQueue: String, allowsDirectReplies: Bool = false
    ) throws {
        session = try AMQPSession(configuration: configuration, role: "send")
        self.names = names
        rights = Rights(configuration, names)
        do throws(AMQPError) {
            try session.declareQueue(replyQueue, exclusive: true, autoDelete: true)
            try session.consume(replyQueue, noAck: true)
            self.replyQueue = replyQueue
        } catch {
            guard error.replyCode == 403 else { throw error }
            guard allowsDirectReplies else { throw rights.missing(toRead: replyQueue) }
            try session.consume(Self.directReplies, noAck: true)
            self.replyQueue = Self.directReplies
        }
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
            if error.code == .channelClosed, error.replyCode == 403 { throw rights.missingToSend }
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

extension JobSender {
    /// The rights that sending takes, for whom the broker refuses.
    private struct Rights {
        let user: String
        let virtualHost: String
        let names: QueueNames

        init(_ configuration: AMQPConfiguration, _ names: QueueNames) {
            (user, virtualHost) = (configuration.username, configuration.virtualHost)
            self.names = names
        }

        var missingToSend: Failure {
            .forbidden(
                user: user, what: "publish to the exchange \(names.intake)",
                needed: BrokerPermissions.backend(names).command(user: "backend", virtualHost: virtualHost))
        }

        func missing(toRead queue: String) -> Failure {
            var needed = BrokerPermissions.backend(names)
            needed.configure = BrokerPermissions.replies(names)
            needed.read = BrokerPermissions.replies(names)
            return .forbidden(
                user: user,
                what:
                    "declare the reply queue \(queue), and replies.direct_reply_to = false lets the answer come no other way",
                needed: needed.command(user: "backend", virtualHost: virtualHost))
        }
    }
}
