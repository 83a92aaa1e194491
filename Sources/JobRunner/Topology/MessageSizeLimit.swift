package import AMQP

/// What RabbitMQ takes in one message. Pure.
package enum MessageSizeLimit {
    /// RabbitMQ's `max_message_size` from 4.0 on, where nobody has set another: bytes of a body. Before it is 128 MiB, and over
    /// all that the configuration allows.
    package static let standard = 16 << 20

    /// What a configuration promises that the broker may not take: for the log, when the worker has connected,
    /// and for `check`.
    package static func warnings(
        version: BrokerVersion?, maximumJobBytes: Int, maximumAnswerBytes: Int
    ) -> [String] {
        guard let version, version >= BrokerVersion(4, 0) else { return [] }
        var warnings: [String] = []
        if maximumAnswerBytes > standard {
            warnings.append(
                "replies.max_answer_bytes is \(maximumAnswerBytes), and RabbitMQ \(version) takes no message over \(standard) "
                    + "bytes where its max_message_size is not raised: a longer answer ends with answer_too_large_for_broker"
            )
        }
        if maximumJobBytes > standard {
            warnings.append(
                "jobs.max_bytes is \(maximumJobBytes), and RabbitMQ \(version) takes no message over \(standard) bytes where its "
                    + "max_message_size is not raised: it closes the channel of a backend that sends a larger job")
        }
        return warnings
    }
}
