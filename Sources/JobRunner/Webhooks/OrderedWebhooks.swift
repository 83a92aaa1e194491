internal import AMQP
internal import Synchronization
internal import Webhooks

/// The shell of `CustomerLines`: keeps the deliveries that are held. Any thread.
final class OrderedWebhooks: Sendable {
    struct Held: Sendable {
        var delivery: Delivery
        var task: WebhookTask
    }

    enum Action: Sendable {
        case go(Held)
        /// Back to the broker for so many milliseconds.
        case away(Held, Int64)
    }

    private struct State {
        var lines = CustomerLines()
        var held: [String: Held] = [:]
    }

    private let state = Mutex(State())

    func arrive(_ held: Held, now: Int64) -> Action? {
        let id = Self.id(held.task)
        return state.withLock { state in
            switch state.lines.arrive(id, of: held.task.customer, now: now) {
            case .go: return .go(held)
            case .away(let wait): return .away(held, wait)
            case .hold:
                state.held[id] = held
                return nil
            }
        }
    }

    func left(_ task: WebhookTask, for wait: Duration, now: Int64) -> [Action] {
        state.withLock { state in
            let actions = state.lines.left(
                Self.id(task), of: task.customer, for: wait.milliseconds, now: now)
            return Self.take(actions, &state)
        }
    }

    /// It goes to where suspects are tried alone, and keeps its place.
    func setAside(_ task: WebhookTask, now: Int64) -> [Action] {
        state.withLock { state in
            let id = Self.id(task)
            _ = state.lines.arrive(id, of: task.customer, now: now)
            return Self.take(state.lines.left(id, of: task.customer, for: Self.timeAlone, now: now), &state)
        }
    }

    func done(_ task: WebhookTask) -> [Action] {
        state.withLock { state in
            let actions = state.lines.done(Self.id(task), of: task.customer)
            return Self.take(actions, &state)
        }
    }

    /// The connection is gone: the broker gives all of it out again, in its own order, here or elsewhere.
    func forget() { state.withLock { $0 = State() } }

    /// Milliseconds until one that is tried alone is expected back.
    private static let timeAlone: Int64 = 5_000

    private static func take(_ actions: [CustomerLines.Action], _ state: inout State) -> [Action] {
        actions.compactMap { action in
            switch action {
            case .go(let id): state.held.removeValue(forKey: id).map { .go($0) }
            case .away(let id, let wait): state.held.removeValue(forKey: id).map { .away($0, wait) }
            }
        }
    }

    private static func id(_ task: WebhookTask) -> String { "\(task.id)/\(task.attempt)" }
}
