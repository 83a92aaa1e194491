/// Which messages may have made the broker close a connection, and how the one is found that did: they are published alone,
/// one after the other, while everything else waits. Whoever is alone when the connection is closed again is it. Pure; who
/// publishes has it alone, and brings the time.
///
/// The wait is bounded: each is cleared or blamed by one publish, and one that the broker does not answer within `patience`
/// has been dealt with, since the broker takes a channel's messages in their order and closes at once.
struct PublishSuspects<Suspect: Hashable> {
    private struct Trial {
        let suspect: Suspect
        /// When its message was handed to the broker, in nanoseconds of the monotonic clock; `nil`: nothing is on its way.
        var sentAt: UInt64?
        /// With this message it is cleared.
        var isLast = false
    }

    /// Nanoseconds.
    static var patience: UInt64 { 2_000_000_000 }

    /// In the order of their publishing.
    private var waiting: [Suspect] = []
    /// All of `waiting`, and whom the trial is about.
    private var members: Set<Suspect> = []
    private var trial: Trial?

    /// Nobody is suspected: everything may go.
    var isEmpty: Bool { members.isEmpty }

    func contains(_ suspect: Suspect) -> Bool { members.contains(suspect) }

    /// The broker closed the connection over a message.
    ///
    /// - Parameter inFlight: whose messages were not confirmed, oldest first.
    /// - Returns: whose fault it is, where that is known. Else those in flight are suspects now.
    mutating func closed(inFlight: some Sequence<Suspect>) -> Suspect? {
        if let trial, trial.sentAt != nil {
            end()
            return trial.suspect
        }
        resume()
        for suspect in inFlight where members.insert(suspect).inserted { waiting.append(suspect) }
        return nil
    }

    /// The connection was lost for another reason: nobody is blamed, and nobody is cleared.
    mutating func lost() { resume() }

    private mutating func resume() {
        if let trial { waiting.insert(trial.suspect, at: 0) }
        trial = nil
    }

    /// Who publishes a message now, alone. `nil`: nobody, or the broker has not answered yet.
    mutating func next() -> Suspect? {
        if let trial { return trial.sentAt == nil ? trial.suspect : nil }
        guard !waiting.isEmpty else { return nil }
        let suspect = waiting.removeFirst()
        trial = Trial(suspect: suspect)
        return suspect
    }

    /// Whom `next` gave has handed over a message.
    ///
    /// - Parameter isLast: it needs no other to be cleared.
    mutating func sent(isLast: Bool, now: UInt64) {
        trial?.sentAt = now
        trial?.isLast = isLast
    }

    /// The broker confirmed or refused a message of it.
    mutating func answered(_ suspect: Suspect) {
        guard let trial, trial.suspect == suspect, trial.sentAt != nil else { return }
        pass()
    }

    /// It has nothing to publish (any more): nothing can be found out about it.
    mutating func cleared(_ suspect: Suspect) {
        guard members.contains(suspect) else { return }
        if trial?.suspect == suspect { return end() }
        members.remove(suspect)
        waiting.removeAll { $0 == suspect }
    }

    /// Goes on where the broker has not answered for too long.
    mutating func look(now: UInt64) {
        if let sentAt = trial?.sentAt, now >= sentAt, now - sentAt >= Self.patience { pass() }
    }

    private mutating func pass() {
        if trial?.isLast == true { end() } else { trial?.sentAt = nil }
    }

    private mutating func end() {
        if let trial { members.remove(trial.suspect) }
        trial = nil
    }
}
