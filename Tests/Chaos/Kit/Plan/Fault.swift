package import JobRunner

/// One kind of harm that the driver can do.
package enum Fault: Sendable, Hashable {
    /// The worker is killed (SIGKILL) at any moment.
    case kill
    /// Killed again and again, faster than the jobs end: some come for the third time and are set apart.
    case killBurst
    /// Two or three workers run, and one is killed.
    case killBeside
    /// The worker kills itself at a named place in its code.
    case failpoint(Failpoint)
    /// SIGTERM while answers stream; what does not end in time is handed back.
    case drain
    /// SIGSTOP for longer than two heartbeats, then SIGCONT.
    case freeze
    case brokerRestart
    case brokerKill
    /// The broker cannot be reached for a while: every connection is reset, new ones are refused.
    case brokerAway
    case consumeCut
    case publishCut
    /// What is sent arrives nowhere, and nobody hears of it: in one direction or in both.
    case consumeHalfOpen
    case publishHalfOpen
    case bothHalfOpen
    /// Every byte between worker and broker comes late.
    case slowBroker
    case gatewayKill
    case gatewayCut
    /// The gateway's connections stay open and say nothing more.
    case gatewaySilent
    /// A heap of jobs whose gateway refuses, closes or breaks off.
    case gatewayTrouble
    case webhookDown
    case memoryAlarm
    /// A customer's reply queue is deleted under the worker.
    case replyQueueDeleted
    /// The worker can open no more files.
    case openFilesExhausted

    /// All, the failpoints one by one.
    package static var all: [Fault] { plain + places.map(Fault.failpoint) }

    /// Two kill every worker, each for a test of its own.
    private static let places = Failpoint.allCases.filter { $0 != .poison && $0 != .webhookPoison }

    private static let plain: [Fault] = [
        .kill, .killBurst, .killBeside, .drain, .freeze, .brokerRestart, .brokerKill, .brokerAway, .consumeCut,
        .publishCut, .consumeHalfOpen, .publishHalfOpen, .bothHalfOpen, .slowBroker, .gatewayKill, .gatewayCut,
        .gatewaySilent, .gatewayTrouble, .webhookDown, .memoryAlarm, .replyQueueDeleted, .openFilesExhausted,
    ]

    package var name: String {
        switch self {
        case .failpoint(let place): "failpoint:\(place.rawValue)"
        default: Self.dashed("\(self)")
        }
    }

    /// `kill-burst`, `failpoint:chunk`; `failpoint` stands for all of them.
    package static func named(_ name: String) -> [Fault] {
        name == "failpoint" ? places.map(Fault.failpoint) : all.filter { $0.name == name }
    }

    private static func dashed(_ name: String) -> String {
        String(name.flatMap { $0.isUppercase ? ["-", Character($0.lowercased())] : [$0] })
    }

    /// How often in one whole run. Together at least 200 kills and 20 stops of the broker.
    package var timesInFullRun: Int {
        switch self {
        case .kill: 120
        case .killBurst: 6
        case .killBeside: 14
        case .failpoint: 3
        case .brokerRestart, .brokerKill: 11
        case .consumeCut, .publishCut: 6
        case .drain, .gatewayCut: 5
        case .freeze, .gatewayKill, .webhookDown: 4
        case .brokerAway, .gatewayTrouble: 3
        case .consumeHalfOpen, .publishHalfOpen, .bothHalfOpen, .gatewaySilent, .memoryAlarm, .replyQueueDeleted,
            .openFilesExhausted, .slowBroker:
            2
        }
    }
    /// Workers that certainly die by SIGKILL each time.
    package var leastKills: Int {
        switch self {
        case .kill, .killBeside: 1
        case .killBurst: 4
        case .failpoint: 1
        default: 0
        }
    }
}
