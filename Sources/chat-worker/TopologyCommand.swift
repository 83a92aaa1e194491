import AMQP
import ArgumentParser
import ChatModel
import WorkerService

struct TopologyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology", abstract: "Shows, or declares, the worker's exchanges and queues.",
        discussion: """
            The worker declares them itself when it starts; declaring again changes nothing.

            Example:
              chat-worker topology --declare --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Declare all of it on the broker.") var declare = false
    @Flag(name: .customLong("print"), help: "Print it (this is the default).") var show = false
    @Flag(help: "Print as JSON.") var json = false

    func run() async throws {
        let configuration = try options.load()
        let topology = configuration.topologyPlan.topology
        if declare {
            try Exit.mapping {
                let session = try AMQPSession(configuration: try configuration.amqpConfiguration(), role: "topology")
                defer { session.close() }
                try session.declare(topology)
            }
            if !json {
                Output.print("declared \(topology.exchanges.count) exchanges, \(topology.queues.count) queues")
            }
        }
        if show || json || !declare {
            Output.print(json ? Self.json(topology) : Self.text(topology))
        }
    }

    private static func text(_ topology: Topology) -> String {
        var lines = topology.exchanges.map { "exchange  \($0.name)  \($0.kind.rawValue)" }
        lines += topology.queues.map { queue in
            let arguments = queue.arguments.map { "\($0.key)=\(plain($0.value))" }
            return "queue     \(queue.name)  \(arguments.joined(separator: " "))"
        }
        lines += topology.bindings.map { "binding   \($0.exchange) --\($0.routingKey)--> \($0.queue)" }
        return lines.joined(separator: "\n")
    }

    private static func json(_ topology: Topology) -> String {
        let value = JSONValue.object([
            .init(
                "exchanges",
                .array(
                    topology.exchanges.map {
                        .object([.init("name", .string($0.name)), .init("type", .string($0.kind.rawValue))])
                    })),
            .init(
                "queues",
                .array(
                    topology.queues.map { queue in
                        .object([
                            .init("name", .string(queue.name)),
                            .init(
                                "arguments", .object(queue.arguments.map { .init($0.key, Self.plainValue($0.value)) })),
                        ])
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
        ])
        return String(decoding: value.serialized(), as: UTF8.self)
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
