import CStart
import JobRunner
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Reads the configuration anew on SIGHUP. A broken one is refused whole, and the worker goes on with what it has. Of a
/// sound one all is taken that a running worker can take; what waits for a restart is named.
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
    /// What the files of the start held then (`FilesInUse`).
    let marksOfTheStart: [String: Int]
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
        let next: WorkerConfiguration
        do throws(ConfigurationErrors) {
            next = try current.reloadable(from: found)
        } catch {
            return refuse(error.mistakes, path, "a restart takes it")
        }
        do throws(ConfigurationErrors) {
            // The file of the broker's password is the new one's: that one is known to be there, and nobody logs in with this.
            var readable = next
            readable.broker.passwordFile = found.broker.passwordFile
            readable.broker.passwordVariable = found.broker.passwordVariable
            runner.reload(try readable.jobRunnerConfiguration(in: environment))
        } catch {
            return refuse(error.mistakes, path)
        }
        LogOutput.setLevels(next.worker)
        tell(current, next, found)
        return next
    }

    /// Says what was taken, what was read, and what waits.
    private func tell(_ current: WorkerConfiguration, _ next: WorkerConfiguration, _ found: WorkerConfiguration) {
        let files = FilesInUse(next, in: environment)
        let applied = current.changes(to: next)
        let waiting = (next.changes(to: found) + files.changed(since: marksOfTheStart)).sorted()
        logger.notice(
            "configuration reloaded; secrets were read anew",
            metadata: [
                "changed": "\(applied.joined(separator: ", "))",
                "read_anew": "\(files.readByReload.joined(separator: ", "))",
                "read_at_each_connect": "\(files.readByConnect.joined(separator: ", "))",
            ])
        if !files.copies.isEmpty {
            logger.notice(
                "credentials of systemd are copies of the service's start; only a restart brings new ones",
                metadata: ["credentials": "\(files.copies.joined(separator: ", "))"])
        }
        if !waiting.isEmpty {
            logger.warning(
                "some changes of the configuration need a restart",
                metadata: ["restart_for": "\(waiting.joined(separator: ", "))"])
        }
        verdict.set(waiting.isEmpty ? nil : "restart for \(waiting.joined(separator: ", "))")
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
