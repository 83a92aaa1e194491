import AMQP
import Gateway
import JobRunner

/// What `check` could reach from here.
public struct WorkerProbe: Sendable {
    public struct Finding: Sendable, Equatable {
        /// `broker amqp://host:5672`, `gateway main`.
        public var subject: String
        public var isReachable: Bool
        public var detail: String
        /// What to do about it.
        public var advice: String?
        /// Of a gateway: the file of the key that was tried, how long it took to be let in, and what it says it has.
        public var keyFile: String?
        public var latency: Duration?
        public var models: [String]?
        /// Of the broker: its version, and what that means here.
        public var version: String?
        public var notes: [String] = []
    }

    private let configuration: WorkerConfiguration
    private let environment: ConfigurationEnvironment

    public init(configuration: WorkerConfiguration, environment: ConfigurationEnvironment = .process()) {
        self.configuration = configuration
        self.environment = environment
    }

    /// Logs in to the broker, opens a connection to each gateway with each of its keys. Sends no request.
    public func run() async throws(ConfigurationErrors) -> [Finding] {
        var findings = [broker(try configuration.amqpConfiguration(in: environment))]
        for (_, gateway) in try configuration.gatewayConfigurations(in: environment).sorted(by: { $0.key < $1.key }) {
            findings += await GatewayProbe(gateway: gateway).run()
        }
        return findings
    }

    private func advice(on version: BrokerVersion) -> BrokerAdvice {
        BrokerAdvice(
            version: version, consumerTimeout: configuration.broker.consumerTimeout,
            maximumJobBytes: configuration.jobs.maximumBytes,
            maximumAnswerBytes: configuration.replies.maximumAnswerBytes)
    }

    /// Queues as an earlier version of the worker declared them. Changes nothing: only those that are there are declared
    /// once more. `nil` also where the broker does not tell.
    private func former(_ session: AMQPSession) -> FormerQueues? {
        let found = configuration.topologyPlan.topology.queues.filter { queue in
            guard queue.formerArguments != nil, (try? session.inspectQueue(queue.name)) != nil else { return false }
            return (try? session.declare(Topology(queues: [queue])))?.isEmpty == false
        }
        guard !found.isEmpty else { return nil }
        return FormerQueues(queues: found.map(\.name), virtualHost: configuration.brokerVirtualHost)
    }

    private func broker(_ broker: AMQPConfiguration) -> Finding {
        let scheme = broker.tls == nil ? "amqp" : "amqps"
        let hosts = broker.addresses.map { "\($0.host):\($0.port)" }.joined(separator: ",")
        let subject = "broker \(scheme)://\(hosts) as \(broker.username)"
        do throws(AMQPError) {
            let session = try AMQPSession(configuration: broker, role: "check")
            defer { session.close() }
            var finding = Finding(subject: subject, isReachable: true, detail: "logged in")
            if let version = session.brokerVersion {
                finding.detail = "logged in to RabbitMQ \(version)"
                finding.version = "\(version)"
                finding.notes = advice(on: version).notes
            }
            do throws(AMQPError) {
                let jobs = try session.inspectQueue(configuration.topologyPlan.names.jobs)
                finding.detail += "; \(jobs.messageCount) jobs queued"
            } catch {
                finding.detail += "; the worker's queues are not there yet, it declares them when it starts"
                return finding
            }
            if let former = former(session) {
                finding.notes.append("\(former.meaning(on: session.brokerVersion)): \(former.policy)")
            }
            return finding
        } catch {
            return Finding(subject: subject, isReachable: false, detail: "\(error)")
        }
    }
}
