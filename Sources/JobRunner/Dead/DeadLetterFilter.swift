package import ChatModel

/// Which dead letters are meant: all that is said must hold. Nothing said means all of them.
package struct DeadLetterFilter: Sendable, Equatable {
    /// Jobs' ids; a `message_id` or a `webhook-id` will do as well. Empty: any.
    package var ids: Set<String>
    package var customer: String?
    /// A code, such as `expired`, matches as a whole; any other text is looked for in the whole reason.
    package var reason: String?
    /// Died at or after it.
    package var since: Timestamp?
    /// Died before it.
    package var until: Timestamp?
    package var kind: DeadLetter.Kind?

    package init(
        ids: Set<String> = [], customer: String? = nil, reason: String? = nil, since: Timestamp? = nil,
        until: Timestamp? = nil, kind: DeadLetter.Kind? = nil
    ) {
        self.ids = ids
        self.customer = customer
        self.reason = reason
        self.since = since
        self.until = until
        self.kind = kind
    }

    /// Nothing is said: every dead letter is meant.
    package var isEmpty: Bool { self == DeadLetterFilter() }

    package func matches(_ letter: DeadLetter) -> Bool {
        if !ids.isEmpty, ids.isDisjoint(with: letter.names) { return false }
        if let customer, customer != letter.customer { return false }
        if let kind, kind != letter.kind { return false }
        if let reason, !Self.matches(reason, letter) { return false }
        guard since != nil || until != nil else { return true }
        // Where no time is known, no time was meant.
        guard let deadAt = letter.deadAt else { return false }
        return since.map { deadAt >= $0 } ?? true && until.map { deadAt < $0 } ?? true
    }

    private static func matches(_ reason: String, _ letter: DeadLetter) -> Bool {
        DeadLetter.isWord(reason[...]) ? reason == letter.code : letter.reason.contains(reason)
    }
}
