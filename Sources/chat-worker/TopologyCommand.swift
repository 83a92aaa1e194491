import AMQP
import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct TopologyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology", abstract: "Shows, compares or declares the worker's exchanges and queues.",
        discussion: """
            Beside each exchange and queue stands what the broker says of it: there, missing, or what differs. The worker \
            declares what is missing when it starts. Nothing is ever changed or deleted that is there: what differs is told, \
            with the way to move it. Queues that an earlier version has declared otherwise go on working; beside them stands the \
            policy that gives them what they lack. Bindings cannot be asked for; declaring makes them.

            --permissions prints the rabbitmqctl line for the worker's login, with no more than it needs, and as a comment \
            the one for a backend's login, which may only send jobs.

            Example:
              chat-worker topology --declare --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Declare all of it on the broker; where anything there differs, nothing.") var declare = false
    @Flag(name: .customLong("print"), help: "Print it (this is the default).") var show = false
    @Flag(help: "Print the permissions that the worker needs.") var permissions = false
    @Flag(help: "Print as JSON.") var json = false

    func run() async throws {
        let configuration = try options.load()
        if permissions { return printPermissions(configuration) }
        let topology = configuration.topologyPlan.topology
        let broker = try Exit.mapping { try configuration.amqpConfiguration() }
        let difference: TopologyDifference?
        do throws(AMQPError) {
            difference = try TopologyDifference(topology, configuration: broker)
        } catch {
            if declare { try Exit.mapping { throw error } }
            difference = nil
            Output.error("chat-worker: the broker was not compared: \(error)")
        }
        if show || json || !declare {
            Output.print(json ? Self.json(topology, difference) : Self.text(topology, difference))
        }
        for limit in difference?.limits ?? [] { Output.error("chat-worker: \(limit)") }
        for conflict in difference?.conflicts ?? [] {
            Output.error("chat-worker: \(conflict.said)\n\(TopologyDifference.move(conflict.name))")
        }
        if let former = difference?.former {
            Output.error("chat-worker: \(former.advice(on: difference?.brokerVersion))")
        }
        guard declare else { return }
        guard difference?.conflicts.isEmpty == true, difference?.limits.isEmpty == true else {
            Output.error("chat-worker: nothing was declared")
            throw ExitCode(Exit.unavailable)
        }
        try Exit.mapping {
            let session = try AMQPSession(configuration: broker, role: "topology")
            defer { session.close() }
            try session.declare(topology)
        }
        if !json { Output.print("declared \(topology.exchanges.count) exchanges, \(topology.queues.count) queues") }
    }

    private func printPermissions(_ configuration: WorkerConfiguration) {
        let permissions = configuration.brokerPermissions
        let user = configuration.brokerUsername
        let virtualHost = configuration.brokerVirtualHost
        let backend = BrokerPermissions.backend(configuration.topologyPlan.names)
        guard json else {
            return Output.print(
                permissions.command(user: user, virtualHost: virtualHost)
                    + "\n# a backend's own login, which may only send jobs (chat-worker send works with it):\n# "
                    + backend.command(user: "backend", virtualHost: virtualHost))
        }
        let value = JSONValue.object([
            .init("vhost", .string(virtualHost)), .init("user", .string(user)),
            .init("configure", .string(permissions.configure)), .init("write", .string(permissions.write)),
            .init("read", .string(permissions.read)),
            .init(
                "backend",
                .object([
                    .init("configure", .string(backend.configure)), .init("write", .string(backend.write)),
                    .init("read", .string(backend.read)),
                ])),
        ])
        Output.print(String(decoding: value.serialized(), as: UTF8.self))
    }

    private static func text(_ topology: Topology, _ difference: TopologyDifference?) -> String {
        func state(_ states: [String: TopologyDifference.State]?, _ name: String) -> String {
            switch states?[name] {
            case .same: "  (there)"
            case .missing: "  (missing)"
            case .former: "  (there, as an earlier version declared it)"
            case .different: "  (DIFFERENT)"
            case nil: ""
            }
        }
        var lines = topology.exchanges.map {
            "exchange  \($0.name)  \($0.kind.rawValue)" + state(difference?.exchanges, $0.name)
        }
        lines += topology.queues.map { queue in
            let arguments = queue.arguments.map { "\($0.key)=\(plain($0.value))" }
            return "queue     \(queue.name)  \(arguments.joined(separator: " "))"
                + state(difference?.queues, queue.name)
        }
        lines += topology.bindings.map { "binding   \($0.exchange) --\($0.routingKey)--> \($0.queue)" }
        return lines.joined(separator: "\n")
    }

    private static func json(_ topology: Topology, _ difference: TopologyDifference?) -> String {
        func state(_ states: [String: TopologyDifference.State]?, _ name: String) -> [JSONValue.Member] {
            switch states?[name] {
            case .same: [.init("state", .string("same"))]
            case .missing: [.init("state", .string("missing"))]
            case .former: [.init("state", .string("former"))]
            case .different(let said): [.init("state", .string("different")), .init("difference", .string(said))]
            case nil: []
            }
        }
        var members: [JSONValue.Member] = [
            .init(
                "exchanges",
                .array(
                    topology.exchanges.map {
                        .object(
                            [.init("name", .string($0.name)), .init("type", .string($0.kind.rawValue))]
                                + state(difference?.exchanges, $0.name))
                    })),
            .init(
                "queues",
                .array(
                    topology.queues.map { queue in
                        .object(
                            [
                                .init("name", .string(queue.name)),
                                .init(
                                    "arguments",
                                    .object(queue.arguments.map { .init($0.key, Self.plainValue($0.value)) })),
                            ] + state(difference?.queues, queue.name))
                    })),
            .init(
                "bindings",
                .array(
                    topology.bindings.map {
                        .object([
                            .init("exchange", .string($0.exchange)), .init("routing_key", .string($0.routingKey)),
                            .init("queue", .string($0.queue)),
                        ])
                    })),
        ]
        if let difference {
            members.append(
                .init(
                    "broker",
                    .object([
                        .init("version", difference.brokerVersion.map { .string("\($0)") } ?? .null),
                        .init("limits", .array(difference.limits.map { .string($0) })),
                        .init("policy", difference.former.map { .string($0.policy) } ?? .null),
                    ])))
        }
        return String(decoding: JSONValue.object(members).serialized(), as: UTF8.self)
    }

    private static func plain(_ value: FieldValue) -> String {
        switch value {
        case .string(let text): text
        case .int(let number): "\(number)"
        case .bool(let flag): "\(flag)"
        default: "\(value)"
        }
    }

    private static func plainValue(_ field: FieldValue) -> JSONValue {
        switch field {
        case .int(let number): .integer(number)
        case .bool(let flag): .bool(flag)
        default: .string(plain(field))
        }
    }
}
