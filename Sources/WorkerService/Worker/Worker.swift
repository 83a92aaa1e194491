import ChatModel
import Glibc
import JobRunner
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The daemon: one job runner and its reports to systemd, from start to drained stop.
public struct Worker: Sendable {
    private let configuration: WorkerConfiguration
    private let environment: ConfigurationEnvironment
    private let logger = Logger(label: "chat-worker")
    private let loggers = WorkerLoggers { Logger(label: $0.label) }

    /// Logs through the logging system, which must be set up before (`LogOutput`).
    public init(configuration: WorkerConfiguration, environment: ConfigurationEnvironment = .process()) {
        self.configuration = configuration
        self.environment = environment
    }

    /// Runs until SIGTERM or SIGINT, then drains. Throws `ConfigurationErrors` before anything is started.
    public func run() async throws {
        let marks = FilesInUse(configuration, in: environment).marksOfTheStart()
        var settings = try configuration.jobRunnerConfiguration(in: environment)
        let exporter = try spanExporter()
        if let exporter { settings.tracer = OTLPTracer(buffer: exporter.buffer, share: configuration.tracing.sample) }
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
        let (verdict, isDraining, isAnnounced) = (Reloader.Verdict(), Flag(), Flag())
        let reporter = SystemdReporter(
            notifier: notifier, isHealthy: { probe.isAlive() }, status: { runner.status.line + verdict.note })
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: reporter)]
        // Before the runner, so that it stops after it.
        if let exporter { services.append(.init(service: exporter)) }
        if let address = AdminAddress(configuration.admin.listen) {
            // Before the runner, so that it answers until the drain is over.
            services.append(
                .init(
                    service: AdminServer(
                        address: address, allowsRemote: configuration.admin.allowsRemote, runner: runner,
                        loops: Array(group.makeIterator()), worker: configuration.workerName(in: environment),
                        isDraining: isDraining, spans: exporter?.buffer, actions: try adminActions(settings),
                        logger: logger)))
        }
        services.append(
            .init(
                service: Reloader(
                    configuration: configuration, environment: environment, runner: runner, notifier: notifier,
                    verdict: verdict, isDraining: isDraining, isAnnounced: isAnnounced, marksOfTheStart: marks,
                    logger: logger)))
        services.append(.init(service: SecondStop(runner: runner, isDraining: isDraining, logger: logger)))
        services.append(
            .init(
                service: JobRunnerService(
                    runner: runner, notifier: notifier, isDraining: isDraining, isAnnounced: isAnnounced, logger: logger
                )))
        let serviceGroup = ServiceGroup(
            configuration: .init(
                services: services,
                gracefulShutdownSignals: [.sigterm, .sigint], logger: Self.quiet(logger)))
        try await serviceGroup.run()
        try await group.shutdownGracefully()
    }

    private func adminActions(_ settings: JobRunnerConfiguration) throws(ConfigurationErrors) -> AdminActions {
        let token = try configuration.resolved { report in
            configuration.adminToken(SecretReader(environment: environment), report)
        }
        let desk = AdminDesk(
            configuration: settings.broker, names: settings.plan.names, customers: configuration.jobRules.customerSource
        )
        return AdminActions(desk: desk, token: token, logger: loggers.admin)
    }

    /// `nil`: nobody wants spans.
    private func spanExporter() throws(ConfigurationErrors) -> SpanExporter? {
        let target = try configuration.resolved { report in
            configuration.spanTarget(SecretReader(environment: environment), report)
        }
        return target.map { SpanExporter(target: $0, buffer: SpanBuffer(), logger: loggers.admin) }
    }

    /// What fails here is TLS material that exists and cannot be used.
    private func makeRunner(
        _ settings: JobRunnerConfiguration, _ group: MultiThreadedEventLoopGroup
    ) throws(ConfigurationErrors) -> JobRunner {
        do {
            return try JobRunner(configuration: settings, group: group, loggers: loggers)
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
    let isDraining: Flag
    let isAnnounced: Flag
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
            isAnnounced.raise()
            notifier.ready(status: runner.status.line)
        }
        try? await gracefulShutdown()
        isDraining.raise()
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
