import Synchronization

/// Keeps what happened, in order, and lets a test wait for something to happen, with a deadline.
public final class EventLog<Event: Sendable>: Sendable {
    /// What was waited for did not happen in time.
    public struct TimedOut: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Waiter {
        let id: UInt64
        let isMet: @Sendable ([Event]) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var events: [Event] = []
        var waiters: [Waiter] = []
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    public var events: [Event] { state.withLock { $0.events } }

    public func append(_ event: Event) {
        let met = state.withLock { state -> [Waiter] in
            state.events.append(event)
            guard !state.waiters.isEmpty else { return [] }
            let events = state.events
            let met = state.waiters.filter { $0.isMet(events) }
            let ids = Set(met.map(\.id))
            state.waiters.removeAll { ids.contains($0.id) }
            return met
        }
        for waiter in met { waiter.continuation.resume(returning: true) }
    }

    /// Waits until the events so far satisfy `isMet`.
    public func wait(
        _ what: String, timeout: Duration = .seconds(20), until isMet: @escaping @Sendable ([Event]) -> Bool
    ) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let timer = Task {
            try await Task.sleep(for: timeout)
            self.giveUp(id)
        }
        let happened = await withCheckedContinuation { continuation in
            let isMetAlready = state.withLock { state in
                if isMet(state.events) { return true }
                state.waiters.append(Waiter(id: id, isMet: isMet, continuation: continuation))
                return false
            }
            if isMetAlready { continuation.resume(returning: true) }
        }
        timer.cancel()
        if !happened {
            throw TimedOut(description: "\(what) did not happen within \(timeout); seen: \(events.suffix(20))")
        }
    }

    /// Waits for the first event, from index `start` on, that `transform` makes something of.
    public func first<Value: Sendable>(
        _ what: String, from start: Int = 0, timeout: Duration = .seconds(20),
        _ transform: @escaping @Sendable (Event) -> Value?
    ) async throws -> Value {
        try await wait(what, timeout: timeout) { events in events.dropFirst(start).contains { transform($0) != nil } }
        for event in events.dropFirst(start) {
            if let value = transform(event) { return value }
        }
        throw TimedOut(description: what)
    }

    private func giveUp(_ id: UInt64) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index)
        }
        waiter?.continuation.resume(returning: false)
    }
}
