import ArgumentParser
import ChatModel
import JobRunner
import Webhooks
import WorkerService

struct WebhooksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhooks", abstract: "Webhook endpoints: their state, on and off, a test, replay.",
        discussion: """
            Example:
              chat-worker webhooks list --config worker.conf
            """,
        subcommands: [
            WebhooksListCommand.self, WebhooksEnableCommand.self, WebhooksDisableCommand.self,
            WebhooksTestCommand.self, WebhooksReplayCommand.self,
        ])
}

/// An endpoint on the command line.
struct EndpointArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The name of a [webhooks.endpoints.NAME], a URL as jobs name it, or what list prints.",
            valueName: "endpoint"))
    var endpoint: String

    func target() throws -> WebhookTarget {
        do { return try WebhookTarget(parsing: endpoint) } catch { throw ValidationError("\(error)") }
    }
}

/// An endpoint that is turned on or off.
struct EndpointSwitchArguments: ParsableArguments {
    @OptionGroup var argument: EndpointArgument
    @Option(
        help: ArgumentHelp("Whose, where it is a URL: an endpoint of jobs belongs to its customer.", valueName: "name"))
    var customer: String?

    /// `https://host#0123456789abcdef` is what `list` prints for a URL.
    func id() throws -> EndpointID {
        if argument.endpoint.contains("#") { return EndpointID(text: argument.endpoint) }
        let target = try argument.target()
        guard case .url = target else { return EndpointID(target, customer: "") }
        guard let customer else {
            throw ValidationError(
                "a URL that jobs name belongs to a customer: say whose with --customer, or give what webhooks list prints"
            )
        }
        return EndpointID(target, customer: customer)
    }

    func validate() throws { _ = try id() }
}

struct WebhooksListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows the endpoints: those of the configuration, and all that are not simply on.",
        discussion: """
            A URL that a job named is shown as its origin and a fingerprint of the customer and the URL: its path and query \
            may hold a token, and what one customer's endpoint says concerns no other's.

            Example:
              chat-worker webhooks list --config worker.conf

            --json prints an object a line: endpoint, state (enabled, disabled), since, reason (gone, operator), breakers \
            (workers that do not ask it at present: worker, since), url, public_key.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "One JSON object a line.") var json = false

    func run() async throws {
        let configuration = try options.load()
        try Exit.mapping {
            let webhooks = try configuration.webhookConfiguration()
            let ledger = try EndpointJournal.read(
                configuration: try configuration.amqpConfiguration(), names: configuration.topologyPlan.names)
            let configured = webhooks.endpoints.keys.map { EndpointID(text: $0) }
            for endpoint in Set(configured).union(ledger.entries.keys).sorted(by: { $0.text < $1.text }) {
                show(endpoint, ledger.entries[endpoint] ?? .init(), webhooks.endpoints[endpoint.text])
            }
        }
    }

    private func show(
        _ endpoint: EndpointID, _ entry: EndpointLedger.Entry, _ configured: WebhookConfiguration.Endpoint?
    ) {
        let origin = configured.flatMap { try? WebhookURL(parsing: $0.url) }?.origin
        let publicKey = configured?.keys.signingKey?.publicKey
        let state = entry.isDisabled ? "disabled" : "enabled"
        let breakers = entry.open.sorted { $0.key < $1.key }
        guard json else {
            var line = "\(printable(endpoint.text))  \(state)"
            if let toggle = entry.toggle, entry.isDisabled {
                line += " since \(toggle.time.rfc3339) (\(toggle.reason?.rawValue ?? "unknown"))"
            }
            for (worker, since) in breakers { line += "; breaker open at \(printable(worker)) since \(since.rfc3339)" }
            if let origin { line += "  \(origin)" }
            if let publicKey { line += "  \(publicKey)" }
            return Output.print(line)
        }
        func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
        let members: [JSONValue.Member] = [
            .init("endpoint", .string(endpoint.text)), .init("state", .string(state)),
            .init("since", text(entry.toggle?.time.rfc3339)), .init("reason", text(entry.toggle?.reason?.rawValue)),
            .init(
                "breakers",
                .array(
                    breakers.map {
                        .object([.init("worker", .string($0.key)), .init("since", .string($0.value.rfc3339))])
                    })),
            .init("url", text(origin)), .init("public_key", text(publicKey)),
        ]
        Output.print(members.line)
    }
}

struct WebhooksEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Turns an endpoint on again, for all workers.",
        discussion: """
            What went to the dead-letter queue meanwhile stays there: webhooks replay puts it back.

            Example:
              chat-worker webhooks enable orders --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var argument: EndpointSwitchArguments

    func run() async throws { try EndpointSwitch.set(argument, .enabled, try options.load()) }
}

struct WebhooksDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Turns an endpoint off, for all workers, until it is enabled.",
        discussion: """
            Its webhooks go to the dead-letter queue.

            Example:
              chat-worker webhooks disable https://hooks.example.com/chat --customer acme --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var argument: EndpointSwitchArguments

    func run() async throws { try EndpointSwitch.set(argument, .disabled, try options.load()) }
}

private enum EndpointSwitch {
    static func set(
        _ arguments: EndpointSwitchArguments, _ state: EndpointEvent.State, _ configuration: WorkerConfiguration
    ) throws {
        let id = try arguments.id()
        try Exit.mapping {
            if case .endpoint(let name)? = try? arguments.argument.target(),
                configuration.webhooks.endpoints[name] == nil
            {
                throw Unavailable("there is no webhook endpoint named \(name) in the configuration")
            }
            try EndpointJournal.write(
                EndpointEvent(endpoint: id, state: state, time: WallClock.now(), reason: .operator),
                configuration: try configuration.amqpConfiguration(), names: configuration.topologyPlan.names)
            Output.print("\(state.rawValue): \(printable(id.text))")
        }
    }
}
