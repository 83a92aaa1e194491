import Synchronization

/// Keeps the answers given, for those who compare them with what arrived elsewhere. Used from every event loop.
final class AnswerRecorder: Sendable {
    private struct State {
        var answers: [SimulatedAnswer] = []
        var finished = 0
        var waiters: [(count: Int, id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
        var nextWaiter: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let keeps: Bool
    private let transcript: TranscriptFile?

    init(keeps: Bool, transcript: TranscriptFile?) {
        self.keeps = keeps
        self.transcript = transcript
    }

    /// Whether anybody wants the texts.
    var wantsText: Bool { keeps || transcript != nil }

    var answers: [SimulatedAnswer] { state.withLock { $0.answers } }

    /// - Parameter answer: Not called where nobody wants the texts.
    func record(_ answer: () -> SimulatedAnswer) {
        let answer = wantsText ? answer() : nil
        if let answer { transcript?.append(answer) }
        let ready = state.withLock { state in
            state.finished += 1
            if keeps, let answer { state.answers.append(answer) }
            let ready = state.waiters.filter { $0.count <= state.finished }
            state.waiters.removeAll { $0.count <= state.finished }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Returns when so many answers have ended. Throws when its task is cancelled.
    func wait(for count: Int) async throws {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.finished >= count { return .success(()) }
                    state.waiters.append((count, id, continuation))
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil as CheckedContinuation<Void, any Error>?
                }
                return state.waiters.remove(at: index).continuation
            }
            waiter?.resume(throwing: CancellationError())
        }
    }
}
