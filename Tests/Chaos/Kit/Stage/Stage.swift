internal import AMQP
internal import Foundation
package import JobRunner
internal import Synchronization
internal import TestSupport
internal import Webhooks

/// A whole deployment to do harm to: broker, gateway and workers as processes, proxies between them, a source of jobs, and
/// recorders of everything that comes out.
package final class Stage: Sendable {
    package struct Settings: Sendable {
        /// Of the private broker, and so of its folder.
        package var broker: String
        package var folder: String
        package var binary: String
        package var seed: UInt64
        package var load = JobSource.Load()

        package init(broker: String, folder: String, binary: String, seed: UInt64) {
            self.broker = broker
            self.folder = folder
            self.binary = binary
            self.seed = seed
        }
    }

    package let ledger: Ledger
    package let broker: ChaosBroker
    package let brokerProxy: TCPProxy
    package let gatewayProxy: TCPProxy
    package let webhookProxy: TCPProxy
    package let fleet: WorkerFleet
    package let source: JobSource
    package let names: QueueNames
    package let customers = Customer.some(8)
    private let settings: Settings
    private let configuration: ChaosConfiguration
    private let replies: ReplyRecorder
    private let webhooks: WebhookRecorder
    private let gateway: Mutex<GatewayProcess>

    var transcript: String { "\(settings.folder)/transcript.jsonl" }

    /// Everything is up and the first worker works when it returns.
    package init(_ settings: Settings) async throws {
        self.settings = settings
        let files = FileManager.default
        try? files.removeItem(atPath: settings.folder)
        try files.createDirectory(atPath: settings.folder + "/logs", withIntermediateDirectories: true)
        let ledger = Ledger()
        self.ledger = ledger
        let broker = try await ChaosBroker.start(named: settings.broker)
        self.broker = broker
        let secret = WebhookSecret.random()
        webhooks = try await WebhookRecorder(secret: secret, ledger: ledger)
        brokerProxy = try await TCPProxy.start(target: broker.port)
        webhookProxy = try await TCPProxy.start(target: webhooks.port)
        // Where the gateway listens is known when it runs.
        gatewayProxy = try await TCPProxy.start(target: 9)
        configuration = ChaosConfiguration(
            folder: settings.folder, brokerPort: brokerProxy.port, gatewayPort: gatewayProxy.port,
            webhookPort: webhookProxy.port, secret: secret)
        try configuration.write()
        names = QueueNames(prefix: configuration.prefix)
        gateway = Mutex(
            try await GatewayProcess.start(
                binary: settings.binary, keyFile: configuration.keyFile,
                transcript: "\(settings.folder)/transcript.jsonl"))
        fleet = WorkerFleet(binary: settings.binary, configuration: configuration)
        replies = ReplyRecorder(
            { broker.configuration }, prefix: configuration.prefix, customers: customers, ledger: ledger)
        source = JobSource(
            { broker.configuration }, exchange: names.intake, customers: customers, ledger: ledger, load: settings.load,
            seed: settings.seed)
        try await open()
    }

    private func open() async throws {
        try await gatewayProxy.aim(at: gateway.withLock { $0 }.port)
        try await forgetEarlierRuns()
        try await replies.start()
        // Else the first jobs might find no exchange.
        let declaring = try ChildProcess([
            settings.binary, "topology", "--declare", "--config", configuration.workerFile,
        ])
        guard try await declaring.exitCode() == 0 else {
            throw TestBroker.Failure(description: "topology: \(declaring.output) \(declaring.errors)")
        }
        try await startWorker()
        source.start()
    }

    /// What an earlier run left on the same broker is none of this one's.
    private func forgetEarlierRuns() async throws {
        for queue in try await broker.queues(prefix: configuration.prefix) { try await broker.deleteQueue(queue) }
    }

    /// Starts a worker and returns when it consumes.
    @discardableResult
    package func startWorker(dyingAt failpoint: (place: Failpoint, count: Int)? = nil) async throws -> ChaosWorker {
        let before = brokerProxy.log.events.count
        let worker = try fleet.start(dyingAt: failpoint)
        try await untilConsuming(from: before)
        return worker
    }

    /// Returns when a consuming connection was opened after so many events.
    package func untilConsuming(from start: Int) async throws {
        _ = try await brokerProxy.log.first("a consuming connection", from: start, timeout: .seconds(60)) { event in
            if case .named(let name) = event, TCPProxy.Selection.role("consumer").contains(name) { true } else { nil }
        }
    }

    package func replaceGateway(_ between: () async throws -> Void) async throws {
        await gateway.withLock { $0 }.kill()
        try await between()
        let new = try await GatewayProcess.start(
            binary: settings.binary, keyFile: configuration.keyFile, transcript: transcript)
        gateway.withLock { $0 = new }
        try await gatewayProxy.aim(at: new.port)
    }

    // MARK: The end

    /// Lets everything come to its end, stops the workers, and says what is left.
    package func finish() async throws -> (leftovers: [String: Int], deadLetters: [String: String]) {
        try await source.stop()
        _ = await ledger.untilSettled(within: .seconds(60))
        let queues = try await broker.queues(prefix: configuration.prefix).filter { $0 != names.dead }
        var leftovers: [String: Int] = [:]
        // What a stopping worker gives back is not left over before another one had its chance.
        for round in 1...4 {
            if round > 1 { try await startWorker() }
            try await broker.untilEmpty(queues, within: .seconds(40))
            for worker in fleet.running where await fleet.drain(worker) != 0 {
                ledger.stranger("worker \(worker.number) did not end well at the end")
            }
            leftovers = try await broker.readyCounts(queues)
            if leftovers.values.allSatisfy({ $0 == 0 }) { break }
        }
        return (leftovers, try await broker.takeDeadLetters(names))
    }

    /// Takes everything away but the broker. After it the transcript is whole.
    package func close() async {
        await fleet.killAll()
        try? await source.stop()
        await gateway.withLock { $0 }.stop()
        try? await replies.stop()
        await webhooks.stop()
        for proxy in [brokerProxy, gatewayProxy, webhookProxy] { try? await proxy.stop() }
    }
}
