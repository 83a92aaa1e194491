import CStart
import JobRunner
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Reads the configuration anew on SIGHUP. A broken one is refused whole, and the worker goes on with what it has.
struct Reloader: Service {
    /// What the last reload came to, for the status line. Any thread.
    final class Verdict: Sendable {
        private let refusal = Mutex<String?>(nil)
        var note: String { refusal.withLock { $0.map { "; \($0)" } ?? "" } }
        func set(_ refusal: String?) { self.refusal.withLock { $0 = refusal } }
    }

    let configuration: WorkerConfiguration
    let environment: ConfigurationEnvironment
    let runner: JobRunner
    let notifier: SystemdNotifier
    let verdict: Verdict
    let isDraining: Flag
    /// Raised when systemd was told that the worker is ready.
    let isAnnounced: Flag
    let logger: Logger

    func run() async {
        var current = configuration
        let signals = await UnixSignalsSequence(trapping: .sighup)
        // One that came before asked for the same; the file may have been read before it came.
        if chat_worker_take_hangup() != 0 { current = answer(current) }
        for await _ in signals.cancelOnGracefulShutdown() { current = answer(current) }
    }

    /// - Returns: the configuration that holds from now on.
    private func answer(_ current: WorkerConfiguration) -> WorkerConfiguration {
        // A drain takes no new configuration.
        guard !isDraining.isRaised else { return current }
        // Before it was ready once, READY=1 at the reload's end would say too much.
        let isTold = isAnnounced.isRaised
        if isTold { notifier.reloading() }
        defer { if isTold { notifier.ready(status: runner.status.line + verdict.note) } }
        return reload(current) ?? current
    }

    private func reload(_ current: WorkerConfiguration) -> WorkerConfiguration? {
        let path = configuration.source.path
        let (found, mistakes) = WorkerConfiguration.examine(path: path, in: environment)
        guard let found else { return refuse(mistakes.errors, path) }
        let next = current.reloaded(from: found)
        let settings: JobRunnerConfiguration
        do throws(ConfigurationErrors) {
            // What stays as it was must fit what is new: a model of a gateway that is not there yet does not.
            let conflicts = next.ruleMistakes().errors
            guard conflicts.isEmpty else { return refuse(conflicts, path, "a restart takes it") }
            settings = try next.jobRunnerConfiguration(in: environment)
        } catch {
            return refuse(error.mistakes, path)
        }
        runner.reload(settings)
        LogOutput.setLevels(next.worker)
        let (applied, waiting) = (current.changes(to: next), next.changes(to: found))
        logger.notice(
            "configuration reloaded; secrets were read anew",
            metadata: ["changed": "\(applied.joined(separator: ", "))"])
        if !waiting.isEmpty {
            logger.warning(
                "some changes of the configuration need a restart",
                metadata: ["restart_for": "\(waiting.joined(separator: ", "))"])
        }
        verdict.set(waiting.isEmpty ? nil : "restart for \(waiting.joined(separator: ", "))")
        return next
    }

    private func refuse(
        _ mistakes: [ConfigurationMistake], _ path: String, _ hint: String? = nil
    ) -> WorkerConfiguration? {
        for mistake in mistakes {
            logger.error(
                "configuration not reloaded, the old one goes on",
                metadata: [
                    "mistake": "\(mistake.description(inFile: path))",
                    "hint": "\(hint ?? "correct it and reload again")",
                ])
        }
        verdict.set("reload refused: \(mistakes.first.map { $0.description(inFile: path) } ?? path)")
        return nil
    }
}
