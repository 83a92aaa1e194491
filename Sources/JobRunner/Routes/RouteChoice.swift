internal import ChatModel
internal import Gateway

/// Which of its models a job asks, and why it is not the first. Pure.
///
/// A round asks each of them once at most, in order; after it the job waits, as one with a single model would, and a new
/// round begins with the first. A model for which the job is too long, which will not speak of it, which is gone or whose account
/// is out of credit is not asked again.
struct RouteChoice: Sendable {
    enum Verdict: Sendable, Equatable {
        /// Another model is left.
        case next
        /// None is: this failure decides what becomes of the job.
        case judge(GatewayFailure)
    }

    private let keys: [RouteKey]
    private let causes: Set<FallbackCause>
    /// Which of `keys` is asked.
    private(set) var current = 0
    /// Why the first is not.
    private(set) var cause: FallbackCause?
    /// Not to be asked in this round, and never again.
    private var failed: Set<Int> = []
    private var excluded: Set<Int> = []
    /// The first failure of this round that another try may cure.
    private var curable: Box<GatewayFailure>?

    init(_ job: Job) {
        keys = job.options.map { RouteKey($0.route) }
        causes = job.route.fallbackCauses
    }

    private var left: [Int] { keys.indices.filter { !failed.contains($0) && !excluded.contains($0) } }

    /// Where to stand in line, or to ask at once.
    var lane: RouteLane {
        guard keys.count > 1 else { return RouteLane(keys: keys, skipsCooling: false, skipsLimited: false) }
        return RouteLane(
            keys: left.map { keys[$0] }, skipsCooling: causes.contains(.unavailable),
            skipsLimited: causes.contains(.rateLimited))
    }

    /// One of the lane was let through. - Parameter skipped: why it is not the lane's first.
    mutating func chose(_ key: RouteKey, skipped: FallbackCause?) {
        current = left.first { keys[$0] == key } ?? 0
        if current == 0 {
            cause = nil
        } else if let skipped, left.first == 0 {
            cause = skipped
        }
    }

    /// The model of `current` failed before its first output.
    mutating func failed(_ failure: GatewayFailure) -> Verdict {
        guard keys.count > 1, let cause = failure.fallbackCause, causes.contains(cause) else {
            return judge(failure)
        }
        if current == 0 { self.cause = cause }
        switch cause {
        case .contextTooLong, .contentFilter, .outOfCredit, .modelGone: excluded.insert(current)
        case .unavailable, .rateLimited:
            failed.insert(current)
            if failure.isRetryable, curable == nil { curable = Box(failure) }
        }
        return left.isEmpty ? judge(failure) : .next
    }

    private mutating func judge(_ failure: GatewayFailure) -> Verdict {
        let worst = failure.isRetryable ? failure : curable?.value ?? failure
        failed = []
        curable = nil
        // Where nobody is left for a further round, its failure is final, and the lane is never asked for.
        if left.isEmpty { excluded = [] }
        return .judge(worst)
    }
}

extension GatewayFailure {
    /// The kind that it is of, where another model may do better; `nil` where it would fail there as well.
    var fallbackCause: FallbackCause? {
        switch code {
        case "gateway_rate_limited": .rateLimited
        case "gateway_quota_exhausted": .outOfCredit
        case "gateway_not_found": .modelGone
        case "gateway_context_too_long": .contextTooLong
        case "gateway_content_filter": .contentFilter
        case "gateway_unreachable", "gateway_connect_timeout", "gateway_first_chunk_timeout", "gateway_idle_timeout",
            "gateway_timeout", "gateway_unavailable", "gateway_protocol_error", "gateway_not_streaming",
            "gateway_invalid_chunk", "gateway_invalid_utf8":
            .unavailable
        default: isTLSFailure || isKeyRefusal || isClosure || isOfProxy ? .unavailable : nil
        }
    }

    /// What a filter of the model's own is, where it has let nothing through.
    static let filtered = GatewayFailure(
        stage: .firstChunk, code: "gateway_content_filter",
        message: "The model's content filter ended the answer before it began.", isRetryable: false)
}
