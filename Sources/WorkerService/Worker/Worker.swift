import JobRunner
public import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The daemon: one job runner and its reports to systemd, from start to drained stop.
public struct Worker: Sendable {
    private let configuration: WorkerConfiguration
    private let environment: ConfigurationEnvironment
    private let logger: Logger

    public init(
        configuration: WorkerConfiguration, environment: ConfigurationEnvironment = .process(), logger: Logger
    ) {
        self.configuration = configuration
        self.environment = environment
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT, then drains. Throws `ConfigurationErrors` before anything is started.
    public func run() async throws {
        let settings = try configuration.jobRunnerConfiguration(in: environment)
        let limit = OpenFilesLimit.raise()
        let threads = configuration.worker.eventLoops == 0 ? System.coreCount : configuration.worker.eventLoops
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let runner = try makeRunner(settings, group)
        let notifier = SystemdNotifier(in: environment)
        logger.info(
            "chat-worker starts",
            metadata: [
                "version": "\(WorkerVersion.text)", "worker": "\(configuration.workerName(in: environment))",
                "event_loops": "\(threads)", "publishers": "\(settings.publishers)",
                "concurrency": "\(settings.concurrency)", "open_files": "\(limit.soft)",
            ])
        let silence = notifier.watchdogInterval ?? .seconds(15)
        let probe = LivenessProbe(group: group, limit: silence) { !runner.hasStuckThread(after: silence) }
        let reporter = SystemdReporter(
            notifier: notifier, isHealthy: { probe.isAlive() }, status: { runner.status.line })
        let services = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: reporter),
                    .init(service: JobRunnerService(runner: runner, notifier: notifier, logger: logger)),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: Self.quiet(logger)))
        try await services.run()
        try await group.shutdownGracefully()
    }

    /// What fails here is TLS material that exists and cannot be used.
    private func makeRunner(
        _ settings: JobRunnerConfiguration, _ group: MultiThreadedEventLoopGroup
    ) throws(ConfigurationErrors) -> JobRunner {
        do {
            return try JobRunner(configuration: settings, group: group, logger: logger)
        } catch {
            throw ConfigurationErrors(
                path: configuration.source.path,
                mistakes: [
                    ConfigurationMistake(key: "", message: "a gateway or the webhooks cannot be set up: \(error)")
                ])
        }
    }

    /// The service group tells of every step at debug level; what matters is said here.
    private static func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = .warning
        return logger
    }
}

/// What `version` prints.
public enum WorkerVersion {
    public static let text = "0.1.0"
}

/// The job runner as a service: READY when it can take and publish, drained on a graceful shutdown.
private struct JobRunnerService: Service {
    let runner: JobRunner
    let notifier: SystemdNotifier
    let logger: Logger

    func run() async throws {
        try runner.start()
        let clock = ContinuousClock()
        let started = clock.now
        let announcement = Task {
            await runner.untilReady()
            guard !Task.isCancelled else { return }
            let waited = clock.now - started
            logger.info("ready: consuming and able to publish", metadata: ["after_ms": "\(waited.wholeMilliseconds)"])
            notifier.ready(status: runner.status.line)
        }
        try? await gracefulShutdown()
        announcement.cancel()
        notifier.stopping()
        notifier.extendTimeout(by: runner.longestStop)
        logger.info("draining", metadata: ["status": "\(runner.status.line)"])
        await runner.stop()
        logger.info("stopped", metadata: ["status": "\(runner.status.line)"])
    }
}

extension JobRunner.Status {
    /// One line for `systemctl status`.
    var line: String {
        let broker =
            !isConsuming ? "not consuming" : isBlocked ? "publishing blocked by the broker" : "consuming"
        return "\(broker); \(running) running, \(waiting) waiting; \(completed) completed, \(failed) failed, "
            + "\(invalid) refused; webhooks \(webhooksDelivered) delivered, \(webhooksPending) under way"
    }
}
