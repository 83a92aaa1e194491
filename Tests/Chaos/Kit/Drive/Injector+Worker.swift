internal import Foundation
internal import Glibc
internal import JobRunner
internal import TestSupport

/// Faults of worker processes.
extension Injector {
    func harmWorker(_ fault: Fault) async throws {
        switch fault {
        case .killBurst: try await killBurst()
        case .killBeside: try await killBeside()
        case .drain: try await drain()
        case .freeze: try await freeze()
        case .openFilesExhausted: try await exhaustOpenFiles()
        case .failpoint(let place): try await die(at: place)
        default:
            for worker in stage.fleet.running { await kill(worker) }
            try await stage.startWorker()
        }
    }

    private func killBurst() async throws {
        for _ in 0..<3 {
            for worker in stage.fleet.running { await kill(worker) }
            try await stage.startWorker()
            // Long enough to be given jobs, too short to finish them.
            try await hold(0.05...0.6)
        }
        for worker in stage.fleet.running { await kill(worker) }
        try await stage.startWorker()
    }

    private func killBeside() async throws {
        let count = Int.random(in: 1...2, using: &random)
        notes.append("\(count + 1) workers")
        for _ in 0..<count { try await stage.startWorker() }
        try await hold(0.3...1.5)
        guard let victim = stage.fleet.running.randomElement(using: &random) else { return }
        await kill(victim)
        try await hold(0.3...1)
        for worker in stage.fleet.running.dropLast() { try await expectDrain(worker) }
    }

    private func drain() async throws {
        // Some run longer than the time to drain, and are handed back.
        stage.source.want([.slow(2_500), .slow(4_000), .retried, .slow(6_000)])
        let isRolling = chance()
        notes.append(isRolling ? "next worker first" : "next worker after")
        try await hold(0.4...1)
        let old = stage.fleet.running
        if isRolling { try await stage.startWorker() }
        for worker in old { try await expectDrain(worker) }
    }

    private func expectDrain(_ worker: ChaosWorker) async throws {
        let code = await stage.fleet.drain(worker)
        if code != 0 {
            violate(.workerEnded, "SIGTERM ended worker \(worker.number) with \(code.map(String.init) ?? "nothing")")
        }
    }

    private func freeze() async throws {
        guard let worker = stage.fleet.running.first else { return }
        let withAnother = chance()
        notes.append(withAnother ? "another works on" : "alone")
        if withAnother { try await stage.startWorker() }
        excuse(.connectionLost)
        stage.fleet.signal(worker, SIGSTOP)
        try await hold(4.5...6.5)
        stage.fleet.signal(worker, SIGCONT)
        if withAnother {
            try await hold(0.5...1.5)
            try await expectDrain(worker)
        }
    }

    private func exhaustOpenFiles() async throws {
        guard let worker = stage.fleet.running.first else { return }
        let isCut = chance()
        notes.append(isCut ? "broker cut" : "broker stays")
        excuse(.connectionLost)
        // libdispatch looks at its threads in /proc once a second while work waits for them, and ends the process with SIGILL
        // where it cannot open a file (_dispatch_workq_monitor_pools).
        worker.tolerate(-SIGILL)
        // Below every number that is free: no file, no socket, whatever is closed meanwhile.
        let before = try await setOpenFiles("4", of: worker.processID)
        if isCut { try await stage.brokerProxy.cut() }
        try await hold(1.5...3)
        // One that has died of it is found by those who watch the workers.
        if worker.exitCode == nil {
            _ = try await setOpenFiles(before, of: worker.processID)
            worker.tolerate(nil)
        } else {
            notes.append("died of it")
            crashed()
        }
    }

    /// Sets the soft limit; returns the one before.
    private func setOpenFiles(_ limit: String, of process: Int32) async throws -> String {
        let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
        let before = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }?.split(separator: " ")
        let tool = try ChildProcess(["/usr/bin/prlimit", "--pid", "\(process)", "--nofile=\(limit):"])
        guard let soft = before?.dropFirst(3).first, try await tool.exitCode() == 0 else {
            throw ChaosFailure("prlimit: \(tool.errors)")
        }
        return String(soft)
    }

    // MARK: Failpoints

    private func die(at place: Failpoint) async throws {
        let isAlone = try await prepare(place)
        let count = count(for: place)
        notes.append("\(isAlone ? "alone" : "beside another"), time \(count)")
        // Ended gently: two crashes in a row would only make suspects of all that ran.
        for worker in isAlone ? stage.fleet.running : [] { try await expectDrain(worker) }
        // The crash is its own, somewhen from now on.
        let (start, started) = (stage.brokerProxy.log.events.count, now)
        let worker = try stage.fleet.start(dyingAt: (place, count))
        if place == .handedBack {
            try await stage.untilConsuming(from: start)
            try await hold(0.8...1.2)
            stage.fleet.terminate(worker)
        }
        if await stage.fleet.untilDead(worker, within: .seconds(10)) {
            excuse(.crash, from: started, to: now)
        } else {
            notes.append("not reached")
            await kill(worker)
        }
        try await stage.webhookProxy.refuse(false)
    }

    /// Brings about that the place is reached at all. Returns whether the worker has to be the only one.
    private func prepare(_ place: Failpoint) async throws -> Bool {
        switch place {
        case .deadLettered: stage.source.want([.invalid, .invalid, .invalid, .invalid])
        case .parked: stage.source.want([.retried, .retried, .retried, .retried])
        case .handedBack: stage.source.want([.slow(5_000), .slow(5_000), .retried, .retried])
        case .webhookMoved:
            excuse(.connectionLost)
            try await stage.webhookProxy.refuse(true)
            try await stage.webhookProxy.cut()
        default: return chance()
        }
        return true
    }

    private func count(for place: Failpoint) -> Int {
        switch place {
        case .chunk: Int.random(in: 1...200, using: &random)
        case .parked, .handedBack, .deadLettered, .webhookMoved: 1
        default: Int.random(in: 1...8, using: &random)
        }
    }
}

/// Something that the driver itself could not do.
struct ChaosFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
