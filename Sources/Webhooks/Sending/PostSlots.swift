internal import Synchronization

/// The shell of `SlotQueue`: lets a bounded number of tasks through, the others wait in order.
final class PostSlots: Sendable {
    private struct State {
        var queue: SlotQueue
        var nextTicket: UInt64 = 0
        var continuations: [UInt64: CheckedContinuation<Bool, Never>] = [:]
    }

    private let state: Mutex<State>

    init(limit: Int) {
        self.state = Mutex(State(queue: SlotQueue(limit: limit)))
    }

    /// `false` after `close()`, or where the task was cancelled while it waited. Otherwise `leave()` has to follow.
    func enter() async -> Bool {
        let ticket = self.state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = self.state.withLock { state in
                    // Cancelled before it waited: the handler has run and found nothing.
                    guard !Task.isCancelled else { return false }
                    switch state.queue.enter(ticket) {
                    case .granted: return true
                    case .refused: return false
                    case .wait:
                        state.continuations[ticket] = continuation
                        return nil
                    }
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            self.resume(false) { $0.queue.cancel(ticket) ? [ticket] : [] }
        }
    }

    func leave() {
        self.resume(true) { state in state.queue.leave().map { [$0] } ?? [] }
    }

    func close() {
        self.resume(false) { $0.queue.close() }
    }

    private func resume(_ answer: Bool, _ tickets: (inout State) -> [UInt64]) {
        let continuations = self.state.withLock { state in
            tickets(&state).compactMap { state.continuations.removeValue(forKey: $0) }
        }
        for continuation in continuations { continuation.resume(returning: answer) }
    }
}
