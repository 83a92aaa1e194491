/// What becomes of a webhook task that came back, perhaps because posting it kills workers: an answer that ends the process
/// would end it again and again. Like that of jobs: beside others nobody is to blame, alone somebody is. Pure.
struct WebhookQuarantine {
    enum Verdict: Equatable {
        case post
        /// To the queue where one is tried at a time.
        case setAside
        /// To the dead-letter queue.
        case giveUp
    }

    /// Returns from a queue of many after which a task is tried alone. A crash returns all that its worker had.
    static let returnsAmongOthers = 2
    /// Returns of one that was tried alone after which nobody tries it any more. Jobs that run beside it come back as often,
    /// which is less than what they may.
    static let returnsAlone = 2

    /// The task that this worker tries alone, and how often it lost its connection, and not its life, meanwhile.
    private var alone: (id: String, survived: Int)?

    /// - Parameters:
    ///   - returns: as the broker counts them in the queue that it came from.
    ///   - isAlone: it came from the queue where one is tried at a time.
    mutating func verdict(_ id: String, returns: Int, isAlone: Bool) -> Verdict {
        guard isAlone else { return returns >= Self.returnsAmongOthers ? .setAside : .post }
        if alone?.id != id || returns == 0 { alone = (id, 0) }
        return returns - (alone?.survived ?? 0) >= Self.returnsAlone ? .giveUp : .post
    }

    /// The connection is lost, and all that was delivered comes back; this worker lives.
    mutating func survived() { alone?.survived += 1 }
}
