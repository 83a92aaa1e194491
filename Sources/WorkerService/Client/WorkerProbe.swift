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

    private func broker(_ broker: AMQPConfiguration) -> Finding {
        let scheme = broker.tls == nil ? "amqp" : "amqps"
        let hosts = broker.addresses.map { "\($0.host):\($0.port)" }.joined(separator: ",")
        let subject = "broker \(scheme)://\(hosts) as \(broker.username)"
        do throws(AMQPError) {
            let session = try AMQPSession(configuration: broker, role: "check")
            defer { session.close() }
            do throws(AMQPError) {
                let jobs = try session.inspectQueue(configuration.topologyPlan.names.jobs)
                return Finding(
                    subject: subject, isReachable: true, detail: "logged in; \(jobs.messageCount) jobs queued")
            } catch {
                return Finding(
                    subject: subject, isReachable: true,
                    detail: "logged in; the worker's queues are not there yet, it declares them when it starts")
            }
        } catch {
            return Finding(subject: subject, isReachable: false, detail: "\(error)")
        }
    }
}
