import AMQP
import ChatModel
import Gateway
import GatewaySimulator
import JobRunner
import Logging
import NIOPosix
import TestSupport
import Webhooks

/// A worker with everything around it: a real broker, a simulated gateway, a webhook receiver. Names are its own.
final class Deployment: Sendable {
    /// What a test changes.
    struct Settings: Sendable {
        var gateway = SimulatedGateway.Options()
        var receiver = WebhookReceiver.Options()
        var broker = "shared"
        /// Asked where the first node does not answer.
        var failover: [AMQPConfiguration.Address] = []
        var apiKey = "sk-test"
        var webhookSecret = WebhookSecret.random()
        var confirmWindow = 256
        var concurrency = 200
        var prefetch: Int?
        var highWaterBytes = 256 << 10
        var drainTimeout = Duration.seconds(20)
        var schedule: [Duration] = [.zero, .milliseconds(200), .milliseconds(200)]
        var replyExchange: String?
        var replyQueues: ReplyQueuePlan?
        var customerSource = JobRules.CustomerSource.job
        var retry = RetryPolicy(firstWait: .milliseconds(100), jitter: 0)
        var fairness = FairnessPolicy()
        var budgets = BudgetPolicy()
        var parkAfter = Duration.seconds(60)
        var totalTimeout = Duration.seconds(120)
        var gatewayTimeout = Duration.seconds(5)
        var cancelsWhenUnread = false
        /// Requests go to the gateway over HTTP; with TLS where it has a certificate.
        var usesEventStreams = false
        var heartbeat = Duration.seconds(5)
        /// Of the endpoint `receiver` and of URLs.
        var webhookOptions = WebhookOptions()
        var roles = Set(WorkerRole.allCases)
        /// A second gateway, `other`, for models that `changeRules` gives to it.
        var other: SimulatedGateway.Options?
        var changeRules: @Sendable (inout JobRules) -> Void = { _ in }
        var gatewayRules: [String: GatewayRules] = [:]
        /// Where the worker finds the broker, if not at its own port.
        var workerPort: Int?
    }

    static let models = ["gpt-4.1", "claude-sonnet-4-20250514", "gemini-2.5-flash", "deepseek-v3.2"]

    let prefix: String
    let broker: TestBroker
    let amqp: AMQPConfiguration
    let gateway: SimulatedGateway
    let other: SimulatedGateway?
    let receiver: WebhookReceiver
    let configuration: JobRunnerConfiguration
    let names: QueueNames

    init(_ settings: Settings = Settings()) async throws {
        prefix = uniqueName("e2e")
        let broker = try await onOwnThread {
            settings.broker == "shared" ? try TestBroker.shared() : try TestBroker.named(settings.broker)
        }
        self.broker = broker
        var amqp = try AMQPConfiguration(url: try await onOwnThread { try broker.url })
        amqp.addresses += settings.failover
        amqp.heartbeat = settings.heartbeat
        amqp.reconnectMost = .milliseconds(500)
        self.amqp = amqp
        names = QueueNames(prefix: prefix)
        var gatewayOptions = settings.gateway
        gatewayOptions.apiKeys = [settings.apiKey]
        gateway = try await SimulatedGateway.start(gatewayOptions)
        var otherOptions = settings.other
        otherOptions?.apiKeys = [settings.apiKey]
        if let otherOptions { other = try await SimulatedGateway.start(otherOptions) } else { other = nil }
        let secret = settings.webhookSecret
        var receiverOptions = settings.receiver
        receiverOptions.secrets = [secret]
        receiver = try await WebhookReceiver.start(receiverOptions)
        var workerAMQP = amqp
        if let port = settings.workerPort { workerAMQP.addresses[0].port = port }
        var configuration = Self.configuration(
            settings, amqp: workerAMQP, prefix: prefix, gatewayPort: gateway.port, receiverURL: receiver.url,
            secret: secret)
        if let other {
            var second = configuration.gateways[0]
            second.name = "other"
            second.endpoint.port = other.port
            configuration.gateways.append(second)
        }
        settings.changeRules(&configuration.rules)
        configuration.gatewayRules = settings.gatewayRules
        self.configuration = configuration
    }

    private static func configuration(
        _ settings: Settings, amqp: AMQPConfiguration, prefix: String, gatewayPort: Int, receiverURL: String,
        secret: WebhookSecret
    ) -> JobRunnerConfiguration {
        let loopback = CIDRBlock("127.0.0.0/8").map { [$0] } ?? []
        var webhooks = WebhookConfiguration(
            endpoints: [
                "receiver": .init(
                    name: "receiver", url: receiverURL, keys: .init(secrets: [secret]), options: settings.webhookOptions
                )
            ],
            defaultSecrets: [secret], timeout: .seconds(5), schedule: settings.schedule, jitter: 0,
            insecureHosts: ["127.0.0.1"], allowedNetworks: loopback, slowDownWait: .milliseconds(300))
        webhooks.options = settings.webhookOptions
        let policy = WebhookPolicy(configuration: webhooks)
        let rules = JobRules(
            customerSource: settings.customerSource,
            profiles: ["general": Profile(model: models[0], maximumTokens: 500, temperature: 0.3)],
            models: Dictionary(
                uniqueKeysWithValues: models.map {
                    ($0, ModelRoute(gateway: "main", upstreamModel: $0, price: Price(input: 2.5, output: 8)))
                }),
            replies: ReplyRules(
                allow: ["\(prefix).reply.{customer}", "\(prefix).reply.{customer}.*"],
                defaultQueue: "\(prefix).reply.{customer}"),
            webhookProblem: { webhook, customer in
                do throws(WebhookError) {
                    _ = try policy.resolve(try WebhookTarget(parsing: webhook), customer: customer)
                    return nil
                } catch {
                    return "\(error)"
                }
            })
        var configuration = JobRunnerConfiguration(
            broker: amqp,
            plan: TopologyPlan(
                names: QueueNames(prefix: prefix), jobRetryTiers: [100, 500], webhookRetryTiers: [100, 500],
                replyExchange: settings.replyExchange),
            rules: rules,
            gateways: [
                GatewayConfiguration(
                    name: "main", transport: settings.usesEventStreams ? .sse : .websocket,
                    endpoint: .init(
                        isSecure: settings.gateway.tls != nil,
                        host: settings.gateway.tls == nil ? "127.0.0.1" : "localhost", port: gatewayPort,
                        path: settings.usesEventStreams ? settings.gateway.httpPath : settings.gateway.path),
                    apiKey: settings.apiKey, certificateAuthorityFile: settings.gateway.tls?.certificateFile,
                    firstChunkTimeout: settings.gatewayTimeout,
                    idleTimeout: settings.gatewayTimeout)
            ],
            webhooks: webhooks, publishers: 1, confirmWindow: settings.confirmWindow,
            concurrency: settings.concurrency, prefetch: settings.prefetch ?? settings.concurrency * 2,
            highWaterBytes: settings.highWaterBytes, replyQueues: settings.replyQueues,
            parkAfter: settings.parkAfter, totalTimeout: settings.totalTimeout, drainTimeout: settings.drainTimeout,
            retry: settings.retry, fairness: settings.fairness, budgets: settings.budgets,
            cancelsWhenUnread: settings.cancelsWhenUnread)
        configuration.roles = settings.roles
        return configuration
    }

    /// Starts a worker and waits until it is ready.
    func startWorker(roles: Set<WorkerRole>? = nil) async throws -> JobRunner {
        var configuration = configuration
        if let roles { configuration.roles = roles }
        var logger = Logger(label: "e2e") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let runner = try JobRunner(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            loggers: WorkerLoggers { _ in logger })
        try runner.start()
        await runner.untilReady()
        return runner
    }

    func collector(customers: [String]) async throws -> ReplyCollector {
        try await ReplyCollector(amqp, queues: customers.map { "\(prefix).reply.\($0)" })
    }

    /// Webhooks as they come, until they are all that is waited for.
    /// - Throws: where they are not in time; it says what came.
    @discardableResult
    func webhooks(
        within limit: Duration = .seconds(60), until isEnough: @escaping @Sendable ([ReceivedWebhook]) -> Bool
    ) async throws -> [ReceivedWebhook] {
        let hooks = await withTaskGroup(of: [ReceivedWebhook].self) { group in
            group.addTask { [receiver] in
                var hooks: [ReceivedWebhook] = []
                for await hook in receiver.deliveries {
                    hooks.append(hook)
                    if isEnough(hooks) { break }
                }
                return hooks
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return []
            }
            var hooks: [ReceivedWebhook] = []
            for await part in group {
                hooks += part
                group.cancelAll()
            }
            return hooks
        }
        guard isEnough(hooks) else {
            throw TestBroker.Failure(
                description: "not all webhooks came, but \(hooks.map { "\($0.job ?? "?"): \($0.status)" })")
        }
        return hooks
    }

    /// Puts jobs on the broker, each confirmed.
    func enqueue(_ jobs: [TestJob], routingKey: String = "jobs") async throws {
        let (amqp, exchange) = (amqp, names.intake)
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "backend")
            defer { session.close() }
            for job in jobs {
                let outcome = try session.publish(
                    exchange: exchange, routingKey: routingKey, properties: job.properties, body: job.body,
                    mandatory: true)
                guard outcome == .confirmed else { throw TestBroker.Failure(description: "not confirmed: \(outcome)") }
            }
        }
    }

    /// Asks all workers to cancel a job, as a backend would.
    /// - Parameter properties: in place of a body that names job and customer.
    func cancel(_ job: String, customer: String = "acme", properties: MessageProperties? = nil) async throws {
        let (amqp, exchange) = (amqp, names.intake)
        let body = Array(#"{"id":"\#(job)","customer":"\#(customer)"}"#.utf8)
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "backend")
            defer { session.close() }
            let outcome = try session.publish(
                exchange: exchange, routingKey: "cancel",
                properties: properties ?? MessageProperties(isPersistent: true, type: "cancel"),
                body: properties == nil ? body : [], mandatory: true)
            guard outcome == .confirmed else { throw TestBroker.Failure(description: "not confirmed: \(outcome)") }
        }
    }

    /// A queue that refuses whatever comes next.
    func declareFullQueue(_ queue: String) async throws {
        let amqp = amqp
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "customer")
            defer { session.close() }
            try session.declareQueue(
                queue, durable: true,
                arguments: [
                    "x-max-length": .int(1), "x-overflow": .string("reject-publish"), "x-expires": .int(120_000),
                ])
            _ = try session.publish(routingKey: queue, body: [1])
            _ = try session.publish(routingKey: queue, body: [2])
        }
    }

    /// Messages that lie ready in a queue, taken out.
    func takeAll(_ queue: String, atLeast count: Int = 0) async throws -> [Delivery] {
        let amqp = amqp
        return try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "inspector")
            defer { session.close() }
            var found: [Delivery] = []
            try session.consume(queue, noAck: true)
            while let delivery = try session.receive(timeout: .seconds(found.count < count ? 20 : 1)) {
                found.append(delivery)
            }
            return found
        }
    }

    /// Messages in the queues that must be empty in the end, also those that come back from a closed connection.
    /// - Parameter excepted: a queue that nobody consumes any more.
    func leftOver(besides excepted: String? = nil) async throws -> [String] {
        let (amqp, names) = (amqp, names)
        return try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "inspector")
            defer { session.close() }
            for queue in [
                names.jobs, names.jobsHigh, names.jobsLow, names.suspect, names.failed, names.webhooks,
                names.orderedWebhooks, names.suspectWebhooks,
            ]
            where queue != excepted {
                try session.consume(queue, noAck: true)
            }
            var found: [String] = []
            while let delivery = try session.receive(timeout: .seconds(1)) { found.append(delivery.queue) }
            return found
        }
    }

    /// Ends all but the workers, and takes the queues away.
    func tearDown() async throws {
        await gateway.shutdown()
        await other?.shutdown()
        await receiver.shutdown()
        let (amqp, plan) = (amqp, configuration.plan)
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "cleaner")
            defer { session.close() }
            for queue in plan.topology.queues { _ = try session.deleteQueue(queue.name) }
            for exchange in plan.topology.exchanges { try session.deleteExchange(exchange.name) }
        }
    }
}

/// A job as a backend would write it.
struct TestJob: Sendable {
    var id: String
    var customer = "acme"
    var model: String? = Deployment.models[0]
    /// Members of the body besides, with a leading comma each.
    var extra = ""
    var webhook: String? = "receiver"
    var properties: MessageProperties
    private var rawBody: [UInt8]?

    init(_ id: String, customer: String = "acme", model: String? = Deployment.models[0], extra: String = "") {
        self.id = id
        self.customer = customer
        self.model = model
        self.extra = extra
        properties = MessageProperties(
            contentType: "application/json", isPersistent: true, correlationID: "correlation-\(id)", messageID: id)
    }

    /// Without a webhook.
    var quiet: TestJob {
        var job = self
        job.webhook = nil
        return job
    }

    init(raw: [UInt8], properties: MessageProperties) {
        id = properties.messageID ?? ""
        rawBody = raw
        self.properties = properties
    }

    var body: [UInt8] {
        if let rawBody { return rawBody }
        let model = model.map { "\"model\":\"\($0)\"," } ?? ""
        let webhook = webhook.map { ",\"webhook\":\"\($0)\"" } ?? ""
        return Array(
            """
            {\(model)"messages":[{"role":"user","content":"question of \(id)"}],"user":"\(id)"\(extra),\
            "job":{"id":"\(id)","customer":"\(customer)"\(webhook),"metadata":{"order": 7.0}}}
            """.utf8)
    }
}
