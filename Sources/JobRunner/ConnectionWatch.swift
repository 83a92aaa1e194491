internal import AMQP
internal import Synchronization

/// Knows which broker connections are up; each connection logs its own troubles. Any thread.
final class ConnectionWatch: ShardObserver, Sendable {
    private struct State {
        var isConsuming = false
        /// The control stream was read to this worker's mark.
        var isControlSynced = false
        /// So was the journal.
        var isJournalSynced = false
        var openPublishers = 0
        /// Why the publish connection that is not open is not; in the broker's words.
        var publisherTrouble: String?
        var blocked = 0
        /// Why, in the broker's words.
        var blockReason = ""
        /// Connections that were lost since the start.
        var lost = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let publishers: Int
    private let state = Mutex(State())

    init(publishers: Int) {
        self.publishers = max(1, publishers)
    }

    /// Jobs can begin.
    var isConsuming: Bool { state.withLock { $0.isConsuming && $0.isControlSynced && $0.isJournalSynced } }
    var openPublishers: Int { state.withLock { $0.openPublishers } }
    var isBlocked: Bool { state.withLock { $0.blocked > 0 } }
    var lostConnections: Int { state.withLock { $0.lost } }

    /// What is missing before jobs can begin and be answered, in words; empty: nothing.
    var reasons: [String] {
        state.withLock { state in
            var reasons: [String] = []
            if !state.isConsuming { reasons.append("not connected to the broker for consuming") }
            if state.isConsuming, !state.isControlSynced { reasons.append("the control stream is being read") }
            if state.isConsuming, !state.isJournalSynced { reasons.append("the journal is being read") }
            if state.openPublishers < publishers {
                let trouble = state.publisherTrouble.map { " (\($0))" } ?? ""
                reasons.append("\(state.openPublishers) of \(publishers) publish connections are open\(trouble)")
            }
            if state.blocked > 0 {
                reasons.append("the broker's alarm holds publishing back: \(state.blockReason)")
            }
            return reasons
        }
    }

    func untilReady() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isReadyNow = state.withLock { state in
                if !isReady(state) { state.waiters.append(continuation) }
                return isReady(state)
            }
            if isReadyNow { continuation.resume() }
        }
    }

    func consumerOpened() { update { $0.isConsuming = true } }

    func controlSynced() { update { $0.isControlSynced = true } }

    func journalSynced() { update { $0.isJournalSynced = true } }

    func consumerLost(_ error: AMQPError) {
        update { state in
            state.lost += 1
            state.isConsuming = false
            state.isControlSynced = false
            state.isJournalSynced = false
        }
    }

    func shardOpened() {
        update { state in
            state.openPublishers += 1
            if state.openPublishers >= publishers { state.publisherTrouble = nil }
        }
    }

    func shardLost(_ error: AMQPError) {
        update { state in
            state.lost += 1
            state.openPublishers = max(0, state.openPublishers - 1)
            state.publisherTrouble = "\(error)"
        }
    }

    func shardFailed(_ error: AMQPError) { update { $0.publisherTrouble = "\(error)" } }

    func shardBlocked(_ isBlocked: Bool, reason: String) {
        update { state in
            state.blocked = max(0, state.blocked + (isBlocked ? 1 : -1))
            if isBlocked { state.blockReason = reason }
        }
    }

    private func isReady(_ state: borrowing State) -> Bool {
        state.isConsuming && state.isControlSynced && state.isJournalSynced && state.openPublishers == publishers
            && state.blocked == 0
    }

    private func update(_ change: (inout State) -> Void) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            change(&state)
            guard isReady(state) else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
