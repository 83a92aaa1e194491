/// A promise that was broken.
package struct Violation: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A confirmed job without a last message.
        case lostTerminal = "lost-terminal"
        /// A confirmed job whose endpoint heard nothing, or nothing of the last terminal.
        case lostWebhook = "lost-webhook"
        /// A confirmed, invalid job that is not among the dead letters.
        case lostDeadLetter = "lost-dead-letter"
        /// A second terminal although no process died.
        case secondTerminal = "second-terminal"
        /// More terminals than one and the crashes.
        case tooManyTerminals = "too-many-terminals"
        /// A later terminal whose attempt is not higher.
        case attemptNotHigher = "attempt-not-higher"
        /// A message that came twice, although no connection was lost.
        case repeatedWithoutCause = "repeated-without-cause"
        case webhookRepeatedWithoutCause = "webhook-repeated-without-cause"
        /// Two ids for one job, or one for two.
        case webhookID = "webhook-id"
        case webhookSignature = "webhook-signature"
        /// Of another text than the terminal of its attempt.
        case webhookDiffers = "webhook-differs"
        /// A sequence number of the winning attempt is missing.
        case gap
        /// A chunk behind its terminal.
        case afterTheEnd = "after-the-end"
        case wrongOffset = "wrong-offset"
        /// The joined chunks are not the text of the terminal.
        case chunksDiffer = "chunks-differ"
        case wrongDigest = "wrong-digest"
        /// Not what the gateway said.
        case gatewayDiffers = "gateway-differs"
        /// A job failed although nothing was done to its gateway.
        case failedWithoutCause = "failed-without-cause"
        /// A job was given up that should not have been.
        case deadLettered = "dead-lettered"
        /// An answer to a job that nobody has asked.
        case unexpected
        /// A message that nobody will ever finish.
        case leftOver = "left-over"
        /// The deployment did not come back to work in time after a fault.
        case notRecovered = "not-recovered"
        /// A worker ended although nobody had ended it.
        case workerEnded = "worker-ended"
        /// The driver could not do what the plan says.
        case driverFailed = "driver-failed"
    }

    package var kind: Kind
    package var job: String?
    package var detail: String

    package init(_ kind: Kind, job: String? = nil, _ detail: String) {
        self.kind = kind
        self.job = job
        self.detail = detail
    }

    /// Counts as lost in the table.
    package var isLoss: Bool {
        switch kind {
        case .lostTerminal, .lostWebhook, .lostDeadLetter: true
        default: false
        }
    }

    /// Counts as duplicated in the table.
    package var isDuplicate: Bool {
        switch kind {
        case .secondTerminal, .tooManyTerminals, .attemptNotHigher, .repeatedWithoutCause,
            .webhookRepeatedWithoutCause:
            true
        default: false
        }
    }
}
