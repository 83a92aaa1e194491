/// One message on a reply queue, as the recorder saw it for the first time.
package struct ReplySeen: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case chunk, reset, completion, error, other
    }

    /// Seconds since the run began.
    package var at: Double
    package var kind: Kind
    package var attempt: Int64
    package var run: String
    package var sequence: Int64
    package var offset: Int64
    /// Text of choice 0: the piece of a chunk, the whole of a completion, the partial text of an error.
    package var text: String
    /// `job.content_sha256` of a terminal.
    package var digest: String?
    /// `error.code` of an error.
    package var code: String?

    package var isTerminal: Bool { kind == .completion || kind == .error }

    package init(
        at: Double, kind: Kind, attempt: Int64, run: String, sequence: Int64, offset: Int64, text: String = "",
        digest: String? = nil, code: String? = nil
    ) {
        self.at = at
        self.kind = kind
        self.attempt = attempt
        self.run = run
        self.sequence = sequence
        self.offset = offset
        self.text = text
        self.digest = digest
        self.code = code
    }
}

/// One post to the webhook endpoint that was answered with 2xx.
package struct WebhookSeen: Sendable, Equatable {
    package var at: Double
    package var id: String
    package var isVerified: Bool
    package var attempt: Int64
    /// `data.job.content_sha256`.
    package var digest: String?

    package init(at: Double, id: String, isVerified: Bool, attempt: Int64, digest: String? = nil) {
        self.at = at
        self.id = id
        self.isVerified = isVerified
        self.attempt = attempt
        self.digest = digest
    }
}

/// One job: what was asked, and all that came of it.
package struct JobRecord: Sendable, Equatable {
    /// What the publishing of a job came to.
    package enum Certainty: String, Sendable {
        /// The broker has confirmed it: it must be answered.
        case confirmed
        /// The connection died before the confirm: it may exist or not.
        case uncertain
    }

    /// What the job asks for.
    package enum Wish: String, Sendable {
        /// A whole answer.
        case answer
        /// A gateway that breaks in mid-answer: an error is as good an end as an answer.
        case brokenAnswer
        /// A refusal: the job is invalid. It has no webhook.
        case refusal
    }

    package var id: String
    package var customer: String
    package var wish: Wish
    /// Seconds since the run began, taken before it was published.
    package var publishedAt: Double
    package var certainty: Certainty
    /// The text that the gateway has to say.
    package var text: String
    /// Its reply queue keeps every confirmed message over a restart of the broker.
    package var hasDurableReplies: Bool
    /// Its reply queue was deleted under it.
    package var repliesMayBeMissing = false
    package var replies: [ReplySeen] = []
    package var webhooks: [WebhookSeen] = []
    /// Replies that came again with the same attempt, run and sequence number.
    package var repeatedReplies = 0

    package init(
        id: String, customer: String, wish: Wish = .answer, publishedAt: Double, certainty: Certainty = .confirmed,
        text: String, hasDurableReplies: Bool = true
    ) {
        self.id = id
        self.customer = customer
        self.wish = wish
        self.publishedAt = publishedAt
        self.certainty = certainty
        self.text = text
        self.hasDurableReplies = hasDurableReplies
    }

    package var wantsWebhook: Bool { wish != .refusal }
    package var terminals: [ReplySeen] { replies.filter(\.isTerminal) }

    /// The last thing that is known of it.
    package var lastSeenAt: Double {
        max(publishedAt, replies.map(\.at).max() ?? publishedAt, webhooks.map(\.at).max() ?? publishedAt)
    }
}
