package import AMQP
internal import JobRunner

/// What the version of a broker means for this configuration and for the backends beside it: what `check` says of it. Pure.
package struct BrokerAdvice: Sendable, Equatable {
    package var version: BrokerVersion
    /// `broker.consumer_timeout`, as the configuration has it.
    package var consumerTimeout: Duration
    /// `jobs.max_bytes` and `replies.max_answer_bytes`.
    package var maximumJobBytes: Int
    package var maximumAnswerBytes: Int

    /// The versions that every suite is run on, by their first two numbers.
    static let tested = [BrokerVersion(3, 10), BrokerVersion(4, 0), BrokerVersion(4, 3)]

    package init(
        version: BrokerVersion, consumerTimeout: Duration, maximumJobBytes: Int, maximumAnswerBytes: Int
    ) {
        self.version = version
        self.consumerTimeout = consumerTimeout
        self.maximumJobBytes = maximumJobBytes
        self.maximumAnswerBytes = maximumAnswerBytes
    }

    /// Sentences for an operator, what matters most first.
    package var notes: [String] {
        var notes = TopologyDifference.limits(ofVersion: version)
        notes += MessageSizeLimit.warnings(
            version: version, maximumJobBytes: maximumJobBytes, maximumAnswerBytes: maximumAnswerBytes)
        if version >= BrokerVersion(4, 3) {
            notes.append(
                "it refuses transient queues that are not exclusive: backends that declare reply queues of their own must make "
                    + "them durable (x-expires takes them away), or exclusive")
        }
        if version >= BrokerVersion(4, 1) {
            notes.append("it refuses clients that ask for a frame_max under 8192; the worker asks for 131072")
        }
        let held =
            "a delivery that is held for longer than its consumer_timeout (broker.consumer_timeout: \(consumerTimeout)) "
        notes.append(
            version >= BrokerVersion(4, 3)
                ? held + "ends the consumer of its queue, and all that the worker holds of that queue returns"
                : held + "closes the worker's channel, and all that the worker holds returns")
        if !Self.tested.contains(where: { $0.major == version.major && $0.minor == version.minor }) {
            let names = Self.tested.map { "\($0.major).\($0.minor)" }.joined(separator: ", ")
            notes.append("the worker is tested with \(names), not with this version")
        }
        return notes
    }
}
