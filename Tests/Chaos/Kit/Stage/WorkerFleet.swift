internal import Foundation
internal import Glibc
package import JobRunner
internal import Synchronization
internal import TestSupport

/// A worker process, and whether its end is expected.
package final class ChaosWorker: Sendable {
    package let number: Int
    let process: ChildProcess
    private let mayEnd: Mutex<Bool>
    private let toleratedCode = Mutex<Int32?>(nil)

    init(number: Int, process: ChildProcess, mayEnd: Bool) {
        self.number = number
        self.process = process
        self.mayEnd = Mutex(mayEnd)
    }

    package var processID: Int32 { process.processID }
    package var exitCode: Int32? { process.log.events.lazy.compactMap(\.exitCode).first }
    func isExpectedToEnd(with code: Int32) -> Bool { mayEnd.withLock { $0 } || toleratedCode.withLock { $0 } == code }

    func expectEnd() { mayEnd.withLock { $0 = true } }

    /// Until the next call, an end with this exit code (negative: by this signal) is no surprise.
    func tolerate(_ code: Int32?) { toleratedCode.withLock { $0 = code } }
}

/// The workers under test: real processes of the real program, each with a log file of its own.
package final class WorkerFleet: Sendable {
    private struct State {
        var number = 0
        var running: [ChaosWorker] = []
        var kills = 0
        var surprises: [String] = []
    }

    private let binary: String
    private let configuration: ChaosConfiguration
    private let state = Mutex(State())

    package init(binary: String, configuration: ChaosConfiguration) {
        self.binary = binary
        self.configuration = configuration
    }

    /// Those that nobody has ended yet, the oldest first.
    package var running: [ChaosWorker] { state.withLock { $0.running } }
    /// How often a worker has died by SIGKILL.
    package var kills: Int { state.withLock { $0.kills } }

    /// Ends that nobody wanted, since the last call.
    package func takeSurprises() -> [String] {
        state.withLock { state in
            defer { state.surprises = [] }
            return state.surprises
        }
    }

    /// Starts one more; returns when the process is there, long before it consumes.
    /// - Parameter failpoint: where it shall kill itself, and at the which time.
    @discardableResult
    package func start(dyingAt failpoint: (place: Failpoint, count: Int)? = nil) throws -> ChaosWorker {
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        var environment: [String: String] = [:]
        if let failpoint { environment["CHAT_WORKER_FAILPOINT"] = "\(failpoint.place.rawValue):\(failpoint.count)" }
        let log = "\(configuration.folder)/logs/worker-\(number).log"
        let process = try ChildProcess(
            [
                "/bin/sh", "-c", "exec \"$0\" run --config \"$1\" >\"$2\" 2>&1", binary, configuration.workerFile, log,
            ], environment: environment)
        let worker = ChaosWorker(number: number, process: process, mayEnd: failpoint != nil)
        state.withLock { $0.running.append(worker) }
        Task { await self.watch(worker) }
        return worker
    }

    /// SIGKILL; returns when it is gone.
    package func kill(_ worker: ChaosWorker) async {
        worker.expectEnd()
        let wasRunning = worker.exitCode == nil
        await worker.process.kill()
        forget(worker)
        if wasRunning { state.withLock { $0.kills += 1 } }
    }

    /// Waits until it has killed itself at its failpoint; false where it does not come there in time.
    package func untilDead(_ worker: ChaosWorker, within limit: Duration) async -> Bool {
        let code = try? await worker.process.log.first("end of worker", timeout: limit) { $0.exitCode }
        guard code == -SIGKILL else {
            if let code { state.withLock { $0.surprises.append("worker \(worker.number) ended with \(code)") } }
            return false
        }
        forget(worker)
        state.withLock { $0.kills += 1 }
        return true
    }

    package func terminate(_ worker: ChaosWorker) {
        worker.expectEnd()
        worker.process.signal(SIGTERM)
    }

    /// SIGTERM and its exit code; killed where it does not end in time.
    package func drain(_ worker: ChaosWorker, within limit: Duration = .seconds(30)) async -> Int32? {
        terminate(worker)
        let code = try? await worker.process.exitCode(timeout: limit)
        forget(worker)
        return code
    }

    package func signal(_ worker: ChaosWorker, _ number: Int32) { worker.process.signal(number) }

    package func killAll() async {
        for worker in running { await kill(worker) }
    }

    private func forget(_ worker: ChaosWorker) {
        state.withLock { state in state.running.removeAll { $0.number == worker.number } }
    }

    private func watch(_ worker: ChaosWorker) async {
        guard let code = try? await worker.process.log.first("end", timeout: .seconds(86_400), { $0.exitCode }) else {
            return
        }
        forget(worker)
        if !worker.isExpectedToEnd(with: code) {
            state.withLock { $0.surprises.append("worker \(worker.number) ended with \(code)") }
        }
    }
}
