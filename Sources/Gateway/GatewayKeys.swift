import Logging
import NIOCore
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
    /// Those that nothing is held against.
    func good(for model: String) -> [Int] { state.withLock { $0.ring.good(for: model) } }

    func next(for model: String, besides tried: [Int] = []) -> Int? {
        state.withLock { $0.ring.next(for: model, besides: tried, now: .now()) }
    }

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

    /// The gateway has answered 401 or 403 to it (`GatewayFailure.isKeyRefusal`).
    func refused(_ key: Int, _ failure: GatewayFailure, model: String) {
        let cause: KeyRing.Cause = failure.isForbidden ? .forbidden : .unauthorized
        var metadata = metadata(key)
        metadata["status"] = "\(failure.status.map { "\($0)" } ?? "")"
        if cause == .forbidden { metadata["gateway.model"] = "\(model)" }
        switch state.withLock({ $0.ring.refused(key, cause, model: model, now: .now()) }) {
        case .known: break
        case .setAside(let time):
            metadata["rest_s"] = "\(time.nanoseconds / 1_000_000_000)"
            logger.error(
                cause == .forbidden
                    ? "gateway refused a key for a model, which is not asked with it for a while"
                    : "gateway refused a key, which is set aside and tried again after a while",
                metadata: metadata)
        case .last: logger.error("gateway refused a key, and no other is left: its jobs fail", metadata: metadata)
        }
    }

    /// The first chunk of an answer has come.
    func accepted(_ key: Int, model: String) {
        guard state.withLock({ $0.ring.accepted(key, model: model) }) else { return }
        logger.notice("gateway takes a key again that it had refused", metadata: metadata(key))
    }

    private func metadata(_ key: Int) -> Logger.Metadata {
        ["gateway": "\(gateway)", "key.file": "\(self[key].source)"]
    }
}

extension GatewayFailure {
    /// The key, and not what was asked with it: 401 or 403. A 403 that speaks of the content is `gateway_content_filter`.
    package var isKeyRefusal: Bool { code == "gateway_unauthorized" || isForbidden }

    var isForbidden: Bool { code == "gateway_forbidden" }

    /// A 403 to a prompt, in words that nobody knows: it may be the prompt that is refused. At an upgrade none was sent.
    var mayConcernPrompt: Bool { isForbidden && stage != .connect && stage != .upgrade }
}
