internal import ChatModel
internal import NIOCore
internal import Synchronization

/// The gates of all models and gateways (a gateway has one key). Any thread.
final class RateGates: Sendable {
    /// What a rate limit belongs to.
    struct Key: Hashable, Sendable {
        var gateway: String
        var model: String

        init(_ route: ModelRoute) {
            gateway = route.gateway
            model = route.upstreamModel
        }
    }

    /// Those that were shut and are not open again: models are named by jobs, and there may be any number.
    private let gates = Mutex<[Key: RateGate]>([:])

    private static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

    func isOpen(_ key: Key) -> Bool {
        gates.withLock { $0[key]?.isOpen(now: Self.now()) ?? true }
    }

    func remaining(_ key: Key) -> Duration {
        gates.withLock { $0[key]?.remaining(now: Self.now()) ?? .zero }
    }

    func enter(_ key: Key) -> RateGate.Pass {
        gates.withLock { gates in
            guard var gate = gates[key] else { return RateGate.open }
            defer { gates[key] = gate }
            return gate.enter(now: Self.now())
        }
    }

    func answered(_ key: Key, _ pass: RateGate.Pass) { update(key) { $0.answered(pass) } }

    func left(_ key: Key, _ pass: RateGate.Pass) { update(key) { $0.left(pass) } }

    /// - Returns: how long the gate is shut now.
    func limited(_ key: Key, _ pass: RateGate.Pass, retryAfter: Duration?) -> Duration {
        let now = Self.now()
        return gates.withLock { gates in
            gates[key, default: RateGate()].limited(
                pass, retryAfter: retryAfter, now: now, chance: Double.random(in: 0..<1))
            return gates[key]?.remaining(now: now) ?? .zero
        }
    }

    /// When the first of the shut gates opens; monotonic nanoseconds, `nil` where none is shut.
    var nextOpening: UInt64? {
        let now = Self.now()
        return gates.withLock { gates in
            gates.values.map { $0.remaining(now: now) }.filter { $0 > .zero }.min()
        }.map { now &+ UInt64(clamping: $0.milliseconds + 1) &* 1_000_000 }
    }

    private func update(_ key: Key, _ change: (inout RateGate) -> Void) {
        gates.withLock { gates in
            guard var gate = gates[key] else { return }
            change(&gate)
            gates[key] = gate.isIdle ? nil : gate
        }
    }
}
