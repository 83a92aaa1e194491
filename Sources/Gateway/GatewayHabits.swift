internal import Synchronization

/// What a gateway was seen to do, kept for its next answers. Any thread.
final class GatewayHabits: Sendable {
    private let isWithdrawing = Atomic<Bool>(false)

    /// It has once sent more output after a finish reason: its finish reasons are no ends.
    var withdrawsFinish: Bool { isWithdrawing.load(ordering: .relaxed) }

    func sawFinishWithdrawn() { isWithdrawing.store(true, ordering: .relaxed) }
}
