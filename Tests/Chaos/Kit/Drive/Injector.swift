internal import Foundation
internal import Glibc
internal import JobRunner
internal import TestSupport

/// Does one fault after the other to a stage, and writes down what each one excuses. Returns when the harm is over and a
/// worker runs; whether all is well again is for others to see.
final class Injector {
    let stage: Stage
    private(set) var disturbances: [Disturbance] = []
    private(set) var violations: [Violation] = []
    private(set) var brokerStops = 0
    /// Of the step that runs.
    var random = SeededGenerator(seed: 0)
    var notes: [String] = []

    init(_ stage: Stage) { self.stage = stage }

    var now: Double { stage.ledger.now }

    func inject(_ step: FaultPlan.Step) async throws -> String {
        random = SeededGenerator(seed: step.seed)
        notes = []
        switch step.fault {
        case .kill, .killBurst, .killBeside, .drain, .freeze, .openFilesExhausted, .failpoint:
            try await harmWorker(step.fault)
        case .brokerRestart, .brokerKill, .brokerAway, .memoryAlarm, .replyQueueDeleted:
            try await harmBroker(step.fault)
        case .consumeCut, .publishCut, .consumeHalfOpen, .publishHalfOpen, .bothHalfOpen, .slowBroker:
            try await harmConnections(step.fault)
        case .gatewayKill, .gatewayCut, .gatewaySilent, .gatewayTrouble, .webhookDown:
            try await harmPeers(step.fault)
        }
        if stage.fleet.running.isEmpty { try await stage.startWorker() }
        return notes.joined(separator: ", ")
    }

    /// After a fault that failed half way: the network works, and a worker runs.
    func repair() async throws {
        for proxy in [stage.brokerProxy, stage.gatewayProxy, stage.webhookProxy] {
            try await proxy.refuse(false)
            try await proxy.delay(0)
        }
        try await stage.broker.startUntilSound()
        try await stage.brokerProxy.aim(at: stage.broker.port)
        if stage.fleet.running.isEmpty { try await stage.startWorker() }
    }

    /// The last step's lasting excuses end when all is well again.
    func recovered() {
        let now = now
        for index in disturbances.indices where disturbances[index].to == .infinity { disturbances[index].to = now }
    }

    // MARK: For the faults

    func excuse(_ effects: Disturbance.Effect..., from: Double? = nil, to: Double = .infinity) {
        for effect in effects { disturbances.append(Disturbance(effect, from: from ?? now, to: to)) }
    }

    func crashed() { excuse(.crash, to: now) }
    func brokerStopped() { brokerStops += 1 }
    func violate(_ kind: Violation.Kind, _ detail: String) { violations.append(Violation(kind, detail)) }

    /// Lets work go on; the time is part of the fault.
    func hold(_ seconds: ClosedRange<Double>) async throws {
        let time = Double.random(in: seconds, using: &random)
        try await Task.sleep(for: .milliseconds(Int64(time * 1_000)))
    }

    func kill(_ worker: ChaosWorker) async {
        // Before it, so that nothing that comes of it is earlier.
        crashed()
        await stage.fleet.kill(worker)
    }

    func chance() -> Bool { Bool.random(using: &random) }
}
