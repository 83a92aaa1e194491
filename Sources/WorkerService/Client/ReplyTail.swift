public import AMQP
import JobRunner

/// Follows the replies of a customer, or of one job: what `tail` does. Blocking; one thread.
///
/// With a reply exchange it binds a queue of its own and takes nothing from anybody. A reply queue that is a stream is
/// read from now on, likewise. Any other queue has one reader for each message: then it takes them, as a reader does.
public final class ReplyTail {
    public enum Source: Sendable, Equatable {
        case exchange(String)
        /// `takesMessages`: what is shown here, nobody else gets.
        case queue(String, takesMessages: Bool)
    }

    public let source: Source
    private let session: AMQPSession
    private let name: String

    /// - Parameters:
    ///   - name: a customer, or a job.
    ///   - queue: the customer's reply queue.
    ///   - isStream: that queue is a stream, where reading takes nothing away.
    /// - Throws: `channelClosed` (404) where there is neither exchange nor queue.
    public init(
        configuration: AMQPConfiguration, exchange: String?, queue: String?, isStream: Bool, name: String
    ) throws(AMQPError) {
        session = try AMQPSession(configuration: configuration, role: "tail")
        self.name = name
        if let exchange {
            let own = try session.declareQueue(exclusive: true, autoDelete: true).name
            try session.bindQueue(own, exchange: exchange, routingKey: "#")
            try session.consume(own, noAck: true)
            source = .exchange(exchange)
            return
        }
        guard let queue else {
            throw AMQPError(.configuration, "there is no default reply queue and no reply exchange to follow")
        }
        _ = try session.inspectQueue(queue)
        try session.consume(queue, prefetch: 100)
        source = .queue(queue, takesMessages: !isStream)
    }

    /// The next reply of the customer or job, or `nil` when none came in time.
    public func receive(timeout: Duration) throws(AMQPError) -> Delivery? {
        guard let delivery = try session.receive(timeout: timeout) else { return nil }
        if case .queue = source { try session.acknowledge(delivery) }
        let headers = delivery.properties.headers
        return headers.string("x-customer") == name || headers.string("x-job") == name ? delivery : nil
    }

    public func close() { session.close() }
}
