/// Something that was done to the deployment, and what it excuses. A kind that excuses nothing is not written down.
package struct Disturbance: Sendable, Equatable {
    package enum Effect: String, Sendable {
        /// A process of the worker or the broker died without a word: one more terminal.
        case crash
        /// A connection between worker, broker or endpoint was lost: what was sent without an answer is sent again, with
        /// the same id.
        case connectionLost
        /// The broker stopped: messages that are not persistent are gone, unless their queue keeps them.
        case brokerStopped
        /// The gateway was not able to answer: a job may fail.
        case gatewayFailing
    }

    package var effect: Effect
    package var from: Double
    package var to: Double

    package init(_ effect: Effect, from: Double, to: Double) {
        self.effect = effect
        self.from = from
        self.to = to
    }
}

/// One line of the gateway's transcript.
package struct GatewayAnswer: Sendable, Equatable {
    package var isComplete: Bool
    package var text: String

    package init(isComplete: Bool, text: String) {
        self.isComplete = isComplete
        self.text = text
    }
}

/// All that is known after a run.
package struct History: Sendable {
    package var jobs: [String: JobRecord] = [:]
    /// Replies and webhooks that name no job of this run.
    package var strangers: [String] = []
    package var disturbances: [Disturbance] = []
    /// What the gateway said, by job.
    package var transcript: [String: [GatewayAnswer]] = [:]
    /// Messages in the end, by queue; without the dead letters.
    package var leftovers: [String: Int] = [:]
    /// Reasons by job, of the dead-letter queue.
    package var deadLetters: [String: String] = [:]

    package init() {}
}
