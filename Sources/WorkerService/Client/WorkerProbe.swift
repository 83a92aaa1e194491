import AMQP
import Gateway
import JobRunner
import NIOCore
import NIOPosix

/// What `check` could reach from here.
public struct WorkerProbe: Sendable {
    public struct Finding: Sendable, Equatable {
        /// `broker amqp://host:5672`, `gateway main`.
        public var subject: String
        public var isReachable: Bool
        public var detail: String
    }

    private let configuration: WorkerConfiguration
    private let environment: ConfigurationEnvironment

    public init(configuration: WorkerConfiguration, environment: ConfigurationEnvironment = .process()) {
        self.configuration = configuration
        self.environment = environment
    }

    /// Logs in to the broker, opens a connection to each gateway. Sends no request.
    public func run() async throws(ConfigurationErrors) -> [Finding] {
        var findings = [broker(try configuration.amqpConfiguration(in: environment))]
        for (_, gateway) in try configuration.gatewayConfigurations(in: environment).sorted(by: { $0.key < $1.key }) {
            findings.append(await self.gateway(gateway))
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

    private func gateway(_ gateway: GatewayConfiguration) async -> Finding {
        let endpoint = gateway.endpoint
        let scheme = gateway.transport == .sse ? "http" : "ws"
        let subject =
            "gateway \(gateway.name) \(scheme)\(endpoint.isSecure ? "s" : "")://\(endpoint.host):\(endpoint.port)"
        let started = ContinuousClock.now
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(gateway.connectTimeout.wholeMilliseconds * 1_000_000))
                .connect(host: endpoint.host, port: endpoint.port).get()
            try await channel.close()
            let time = (ContinuousClock.now - started).wholeMilliseconds
            return Finding(subject: subject, isReachable: true, detail: "answers after \(time) ms")
        } catch {
            let reason = (error as? NIOConnectionError)?.connectionErrors.first.map { "\($0.error)" } ?? "\(error)"
            return Finding(subject: subject, isReachable: false, detail: "cannot connect: \(reason)")
        }
    }
}
