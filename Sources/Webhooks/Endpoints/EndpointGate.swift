internal import NIOCore
internal import Synchronization

/// The shell of `EndpointLanes`: lets tasks through, or tells them how long to stay away. Any thread.
final class EndpointGate: Sendable {
    enum Entry: Sendable, Equatable {
        /// `leave` has to follow.
        case granted(UInt64)
        case away(Duration)
        /// After `close()`, or where the caller was cancelled while it waited.
        case refused
    }

    private struct State {
        var lanes: EndpointLanes
        var nextTicket: UInt64 = 0
        var continuations: [UInt64: CheckedContinuation<Entry, Never>] = [:]
        var timers: [UInt64: Scheduled<Void>] = [:]
    }

    private let state: Mutex<State>
    private let timers: any EventLoop
    private let slowAfter: TimeAmount

    /// How long a post may hold its slot: most are answered sooner.
    private static let slotTime = TimeAmount.milliseconds(50)

    /// - Parameter timers: for when a post gives its slot away, and becomes slow.
    init(policy: EndpointLanes.Policy, slowAfter: Duration, timers: any EventLoop) {
        state = Mutex(State(lanes: EndpointLanes(policy: policy)))
        self.slowAfter = .nanoseconds(slowAfter.wholeNanoseconds)
        self.timers = timers
    }

    func enter(_ endpoint: EndpointID) async -> Entry {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        let entry = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Entry, Never>) in
                let answer: Entry? = state.withLock { state in
                    // Cancelled before it waited: the handler has run and found nothing.
                    guard !Task.isCancelled else { return .refused }
                    switch state.lanes.arrive(ticket, at: endpoint, now: .now) {
                    case .start: return .granted(ticket)
                    case .away(let wait): return .away(wait)
                    case .refused: return .refused
                    case .wait:
                        state.continuations[ticket] = continuation
                        return nil
                    }
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.lanes.cancel(ticket) ? state.continuations.removeValue(forKey: ticket) : nil
            }
            continuation?.resume(returning: .refused)
        }
        if entry == .granted(ticket) { watch(ticket) }
        return entry
    }

    /// - Returns: the breaker's state, where this has changed it.
    func leave(_ ticket: UInt64, _ verdict: CircuitBreaker.Verdict) -> CircuitBreaker.State? {
        let (actions, change, timer) = state.withLock { state in
            let result = state.lanes.ended(ticket, verdict, now: .now)
            return (result.actions, result.change, state.timers.removeValue(forKey: ticket))
        }
        timer?.cancel()
        perform(actions)
        return change
    }

    func close() {
        let continuations = state.withLock { state in
            state.lanes.close().compactMap { state.continuations.removeValue(forKey: $0) }
        }
        for continuation in continuations { continuation.resume(returning: .refused) }
    }

    private func watch(_ ticket: UInt64) {
        let slotTime = min(Self.slotTime, slowAfter)
        call(ticket, in: slotTime) { [self] in
            perform(state.withLock { $0.lanes.yieldSlot(ticket, now: .now) })
            call(ticket, in: slowAfter - slotTime) { [self] in
                perform(state.withLock { $0.lanes.becameSlow(ticket, now: .now) })
            }
        }
    }

    /// Unless the post has ended by then.
    private func call(_ ticket: UInt64, in time: TimeAmount, _ body: @escaping @Sendable () -> Void) {
        state.withLock { state in
            guard state.lanes.isUnderWay(ticket) else { return }
            state.timers[ticket] = timers.scheduleTask(in: time, body)
        }
    }

    private func perform(_ actions: [EndpointLanes.Action]) {
        for action in actions {
            let (ticket, entry): (UInt64, Entry) =
                switch action {
                case .start(let ticket): (ticket, .granted(ticket))
                case .away(let ticket, let wait): (ticket, .away(wait))
                }
            let continuation = state.withLock { $0.continuations.removeValue(forKey: ticket) }
            continuation?.resume(returning: entry)
        }
    }
}
