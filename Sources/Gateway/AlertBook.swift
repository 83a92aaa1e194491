/// What operators have to do something about at a gateway, and when they are told (once for each cause, and once more after an hour
/// in which it was met again). Pure; the time (seconds) is passed in.
struct AlertBook: Sendable {
    /// Models are named by jobs: so many causes are remembered, and told.
    static let most = 64
    static let interval: Int64 = 3_600

    private struct Entry: Sendable {
        var told: Int64
        var alert: GatewayAlert
        var isActive = true
    }

    private var entries: [GatewayAlert.Cause: Entry] = [:]

    /// Those that no answer has ended, the oldest first.
    var active: [GatewayAlert] {
        entries.values.filter(\.isActive).map(\.alert).sorted { ($0.since, $0.model) < ($1.since, $1.model) }
    }

    /// A request was refused for a reason that stays until somebody acts.
    ///
    /// - Parameter now: seconds since 1970.
    /// - Returns: operators have to be told now.
    mutating func met(_ cause: GatewayAlert.Cause, model: String, now: Int64) -> Bool {
        if var entry = entries[cause] {
            let isDue = now - entry.told >= Self.interval || now < entry.told
            if isDue { entry.told = now }
            if !entry.isActive { (entry.alert.since, entry.alert.count, entry.isActive) = (now, 0, true) }
            entry.alert.model = model
            entry.alert.count &+= 1
            entries[cause] = entry
            return isDue
        }
        makeRoom(now)
        guard entries.count < Self.most else { return false }
        entries[cause] = Entry(told: now, alert: GatewayAlert(cause: cause, model: model, since: now, count: 1))
        return true
    }

    /// The gateway answers for this model.
    mutating func answered(_ model: String) {
        guard !entries.isEmpty else { return }
        for (cause, entry) in entries where entry.isActive && entry.alert.model == model {
            entries[cause]?.isActive = false
        }
    }

    /// What was told long ago goes first.
    private mutating func makeRoom(_ now: Int64) {
        guard entries.count >= Self.most else { return }
        entries = entries.filter { now - $0.value.told < Self.interval }
    }
}

/// Something that stays wrong at a gateway until somebody acts.
public struct GatewayAlert: Sendable, Equatable {
    public enum Cause: Sendable, Hashable {
        /// The account has no credit or quota left.
        case outOfCredit
        /// The gateway does not have this model, or not this path.
        case modelGone(String)

        public var name: String {
            switch self {
            case .outOfCredit: "out_of_credit"
            case .modelGone: "model_gone"
            }
        }

        /// What the operator has to do, for the log.
        var advice: String {
            switch self {
            case .outOfCredit:
                "gateway's account is out of credit or quota, and its jobs fail or fall back: pay, or raise the limit"
            case .modelGone:
                "gateway does not have the model, and its jobs fail or fall back: correct models.*.upstream, or the gateway's url"
            }
        }
    }

    public var cause: Cause
    /// That was asked last.
    public var model: String
    /// Seconds since 1970.
    public var since: Int64
    /// Requests that have met it since.
    public var count: Int
}

extension GatewayFailure {
    /// What somebody has to do something about. Refused keys tell of themselves (`GatewayKeys`).
    func alertCause(model: String) -> GatewayAlert.Cause? {
        switch code {
        case "gateway_quota_exhausted": .outOfCredit
        case "gateway_not_found": .modelGone(model)
        default: nil
        }
    }
}
