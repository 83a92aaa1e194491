internal import AMQP

/// A message that is sent again until the broker has confirmed it: terminals, webhook tasks, events, republished jobs.
/// One instance is one message; what is sent again is the same, with the same `message_id`.
final class DurableMessage: Sendable {
    /// What became of it.
    enum Settlement: Sendable, Equatable {
        case confirmed
        /// Confirmed, but no queue took it: the reply queue does not exist.
        case unroutable
    }

    let template: PublishTemplate
    let body: [UInt8]
    /// Ask the broker to say so where no queue takes it.
    let isMandatory: Bool
    /// Called once, on the publisher thread.
    let settled: @Sendable (Settlement) -> Void

    init(
        template: PublishTemplate, body: [UInt8], isMandatory: Bool, settled: @escaping @Sendable (Settlement) -> Void
    ) {
        self.template = template
        self.body = body
        self.isMandatory = isMandatory
        self.settled = settled
    }
}
