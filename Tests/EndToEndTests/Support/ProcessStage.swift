import Foundation
import Synchronization
import TestSupport

/// A deployment whose workers are processes of the real program.
final class ProcessStage: Sendable {
    let deployment: Deployment
    let files: WorkerFiles
    private let running = Mutex<[WorkerProcess]>([])

    /// All that were started, also those that have ended.
    var workers: [WorkerProcess] { running.withLock { $0 } }

    private init(_ deployment: Deployment, _ files: WorkerFiles) {
        self.deployment = deployment
        self.files = files
    }

    /// Runs `body`, then ends every worker that it left, and takes everything away. The broker is one for these tests,
    /// which may stop it, and start it again.
    static func run(
        _ settings: Deployment.Settings = .init(),
        configure: (inout WorkerFiles.Settings, Deployment) async throws -> Void = { _, _ in },
        _ body: (ProcessStage) async throws -> Void
    ) async throws {
        var settings = settings
        settings.broker = "process"
        let deployment = try await Deployment(settings)
        var chosen = deployment.workerSettings(apiKey: settings.apiKey)
        try await configure(&chosen, deployment)
        let stage = ProcessStage(deployment, try WorkerFiles(chosen))
        do {
            try await body(stage)
        } catch {
            try? await stage.end()
            throw error
        }
        try await stage.end()
    }

    func startWorker(
        watchdog: Duration? = .milliseconds(400), environment: [String: String] = [:], launcher: [String] = [],
        binary: String? = nil
    ) throws -> WorkerProcess {
        let worker = try WorkerProcess(
            files, watchdog: watchdog, environment: environment, launcher: launcher,
            binary: binary ?? ChatWorkerBinary.path)
        running.withLock { $0.append(worker) }
        return worker
    }

    func startReadyWorker() async throws -> WorkerProcess {
        let worker = try startWorker()
        try await worker.untilReady()
        return worker
    }

    /// Runs another command with the same configuration.
    func command(_ arguments: String..., timeout: Duration = .seconds(60)) async throws -> CommandResult {
        let process = try ChildProcess([ChatWorkerBinary.path] + arguments + ["--config", files.configuration])
        let code = try await process.exitCode(timeout: timeout)
        return CommandResult(
            exitCode: code, output: process.output.joined(separator: "\n"),
            errors: process.errors.joined(separator: "\n"))
    }

    func broker(_ command: String...) async throws {
        let broker = deployment.broker
        try await onOwnThread {
            for word in command {
                if word == "start" { try broker.runUntilSound("start", "--tls") } else { try broker.run(word) }
            }
        }
    }

    private func end() async throws {
        for worker in workers { await worker.kill() }
        // Nothing to do where it runs.
        try await broker("start")
        try await deployment.tearDown()
    }
}
