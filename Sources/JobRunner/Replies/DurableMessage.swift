internal import AMQP
internal import Synchronization

/// A message that is sent again until the broker has confirmed it: terminals, webhook tasks, events, republished jobs.
/// One instance is one message; what is sent again is the same, with the same `message_id`.
final class DurableMessage: Sendable {
    /// What became of it.
    enum Settlement: Sendable, Equatable {
        case confirmed
        /// Confirmed, but no queue took it: the reply queue does not exist.
        case unroutable
        /// A reply that the broker refused again and again: the reply queue is full. Nothing else is given up.
        case refused
        /// Not published: the delivery that it was to move is lost, and the broker gives the job out again.
        case void
        /// The broker takes it from nobody, and it is given up: a reply, or a message whose sender makes a shorter one.
        case undeliverable(Undeliverable)
    }

    /// What is done about a message that no queue takes.
    enum Routing: Sendable {
        /// Published again until a queue takes it: the worker's own queues, which are declared at every connect.
        case required
        /// The sender is told, and goes on: somebody else's reply queue.
        case told
        /// Not asked: exchanges, where it is nobody's fault that nobody listens.
        case ignored
    }

    /// After so many refusals a reply is given up; the job's webhook tells its end.
    static let mostRefusals = 5

    let template: PublishTemplate
    let body: [UInt8]
    let routing: Routing
    /// Of the delivery that it moves elsewhere: published only while that delivery is surely this worker's, so that the
    /// job does not live on twice. `nil` for a message that is to arrive in any case.
    let generation: UInt64?
    /// A job's reply, the one kind that is given up when the broker refuses it again and again: the queue is somebody
    /// else's, and the webhook tells the end. All else is published again until it is confirmed.
    let isReply: Bool
    /// Its sender is told that it is too large for the broker, and makes a shorter one.
    let mayBeTooLarge: Bool
    /// Times that the broker has refused it. The publisher thread's.
    let refusals = Atomic<Int>(0)
    /// Called once, on the publisher thread.
    let settled: @Sendable (Settlement) -> Void

    init(
        template: PublishTemplate, body: [UInt8], routing: Routing, generation: UInt64? = nil,
        isReply: Bool = false, mayBeTooLarge: Bool = false, settled: @escaping @Sendable (Settlement) -> Void
    ) {
        self.template = template
        self.body = body.withoutSpareRoom
        self.routing = routing
        self.generation = generation
        self.isReply = isReply
        self.mayBeTooLarge = mayBeTooLarge
        self.settled = settled
    }
}

extension [UInt8] {
    /// The same bytes, in memory of their own size where much of it is spare: appending leaves room for as much again, and
    /// when thousands of answers end in the same moment, thousands of messages wait.
    var withoutSpareRoom: [UInt8] {
        capacity - count > 64 ? withUnsafeBytes { [UInt8]($0) } : self
    }
}
