import Logging
import Synchronization

/// The keys of one gateway over all event loops. Touched once for each stream.
///
/// A key is known by its place, and keeps it for good: connections that were opened with it may outlive it.
final class GatewayKeys: Sendable {
    private struct State {
        var all: [GatewayKey]
        var ring: KeyRing
    }

    private let state: Mutex<State>
    private let gateway: String
    private let logger: Logger

    init(_ configuration: GatewayConfiguration, logger: Logger) {
        let all = Self.orNone(configuration.keys)
        state = Mutex(State(all: all, ring: KeyRing(count: all.count)))
        gateway = configuration.name
        self.logger = logger
    }

    /// Sending no key is a way to ask, too, with connections of its own.
    private static func orNone(_ keys: [GatewayKey]) -> [GatewayKey] {
        keys.isEmpty ? [GatewayKey(source: "", secret: "")] : keys
    }

    subscript(key: Int) -> GatewayKey { state.withLock { $0.all[key] } }

    /// More than one was ever in use: idle connections are kept apart by them.
    var isSeveral: Bool { state.withLock { $0.all.count > 1 } }
    /// Those that were not set aside.
    var usable: [Int] { state.withLock { $0.ring.usable } }

    func next(besides tried: [Int] = []) -> Int? { state.withLock { $0.ring.next(besides: tried) } }

    /// From the next request on these take turns.
    func replace(with keys: [GatewayKey]) {
        state.withLock { state in
            let places = Self.orNone(keys).map { key in
                if let place = state.all.firstIndex(of: key) { return place }
                state.all.append(key)
                return state.all.count - 1
            }
            state.ring.replace(with: places)
        }
    }

    /// The gateway has answered 401 or 403 to it.
    func refused(_ key: Int, status: Int?) {
        let metadata: Logger.Metadata = [
            "gateway": "\(gateway)", "key.file": "\(self[key].source)", "status": "\(status.map { "\($0)" } ?? "")",
        ]
        switch state.withLock({ $0.ring.refused(key) }) {
        case .known: break
        case .setAside:
            logger.error("gateway refused a key, which is set aside until a reload or restart", metadata: metadata)
        case .last: logger.error("gateway refused a key, and no other is left: its jobs fail", metadata: metadata)
        }
    }
}

extension GatewayFailure {
    /// The key, and not what was asked with it: 401 or 403.
    package var isKeyRefusal: Bool { code == "gateway_unauthorized" || code == "gateway_forbidden" }
}
