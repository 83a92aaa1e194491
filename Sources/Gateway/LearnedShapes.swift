import ChatModel
import Logging
import NIOCore
import Synchronization

/// What requests to each model of a gateway must look like, as far as refusals have told. Pure; the time is passed in.
///
/// It is forgotten after an hour, since models change behind their names: then one request learns it anew.
struct LearnedShapes {
    /// Models are named by jobs: so many are remembered.
    static let mostModels = 512
    static let lifetime = TimeAmount.hours(1)

    private var models: [String: (shape: RequestShape, until: NIODeadline)] = [:]

    var count: Int { models.count }

    func shape(for model: String, now: NIODeadline) -> RequestShape? {
        guard let known = models[model], known.until > now else { return nil }
        return known.shape
    }

    /// - Returns: whether it is news.
    mutating func learn(_ shape: RequestShape, of model: String, now: NIODeadline) -> Bool {
        let known = self.shape(for: model, now: now)
        let merged = (known ?? RequestShape()).merged(with: shape)
        if merged == known { return false }
        if models[model] == nil, models.count >= Self.mostModels {
            models = models.filter { $0.value.until > now }
            if models.count >= Self.mostModels, let oldest = models.min(by: { $0.value.until < $1.value.until }) {
                models[oldest.key] = nil
            }
        }
        models[model] = (merged, now + Self.lifetime)
        return true
    }
}

/// `LearnedShapes` of one gateway over all event loops. Touched once for each stream.
final class GatewayShapes: Sendable {
    private let learned = Mutex(LearnedShapes())
    private let gateway: String
    private let logger: Logger

    init(gateway: String, logger: Logger) {
        self.gateway = gateway
        self.logger = logger
    }

    func shape(for model: String) -> RequestShape? { learned.withLock { $0.shape(for: model, now: .now()) } }

    /// A request that was repaired so is answered.
    func learn(_ shape: RequestShape, of model: String) {
        guard learned.withLock({ $0.learn(shape, of: model, now: .now()) }) else { return }
        var metadata: Logger.Metadata = ["gateway": "\(gateway)", "gateway.model": "\(model)"]
        if let name = shape.limitName { metadata["max_tokens_name"] = "\(name.rawValue)" }
        if !shape.dropped.isEmpty { metadata["drop"] = "\(shape.dropped.sorted().joined(separator: ","))" }
        logger.warning(
            "gateway refuses parameters for a model; requests are changed for an hour, [models] can say so for good",
            metadata: metadata)
    }
}
