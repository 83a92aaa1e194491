import ArgumentParser
import ChatModel
import JobRunner
import Logging
import Webhooks
import WorkerService

struct WebhooksTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Posts one signed chat.webhook.test from here, and says what comes of it.",
        discussion: """
            Judged, signed and posted as a worker does it; nothing is queued or tried again. Exits with 69 where it is not \
            delivered.

            Example:
              chat-worker webhooks test orders --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var argument: EndpointArgument
    @Option(help: ArgumentHelp("Whose secret signs, where the endpoint has none.", valueName: "name"))
    var customer = "test"
    @Flag(help: "A JSON object.") var json = false

    func run() async throws {
        let target = try argument.target()
        let configuration = try options.load()
        try await Exit.mapping {
            let sender = try WebhookSender(
                configuration: try configuration.webhookConfiguration(),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
            let now = WallClock.now()
            let job = "test-\(String(UInt32.random(in: .min ... .max), radix: 16))"
            let data = JSONValue.object([.init("job", .object([.init("id", .string(job))]))]).serialized()
            let outcome = await sender.post(
                WebhookTask(
                    id: WebhookID.derive(customer: customer, job: job), target: target, customer: customer, job: job,
                    attempt: 0, eventType: .test,
                    body: WebhookPayload.body(type: .test, timestamp: now.rfc3339, data: data),
                    createdAt: now.milliseconds))
            await sender.shutdown()
            show(outcome, EndpointID(target, customer: customer))
            if outcome.kind != .delivered { throw ExitCode(Exit.unavailable) }
        }
    }

    private func show(_ outcome: WebhookOutcome, _ endpoint: EndpointID) {
        let latency = outcome.latency.components
        let milliseconds = latency.seconds * 1_000 + latency.attoseconds / 1_000_000_000_000_000
        guard json else {
            let status = outcome.status.map { ", status \($0)" } ?? ""
            let detail = outcome.detail.isEmpty ? "" : ": \(printable(outcome.detail))"
            Output.print("\(endpoint): \(outcome.kind.name)\(status), \(milliseconds) ms\(detail)")
            if let advice = outcome.kind.advice { Output.print("  \(advice)") }
            return
        }
        var members: [JSONValue.Member] = [
            .init("endpoint", .string(endpoint.text)), .init("outcome", .string(outcome.kind.name)),
            .init("status", outcome.status.map { .integer($0) } ?? .null),
            .init("latency_ms", .integer(milliseconds)), .init("detail", .string(outcome.detail)),
        ]
        if let advice = outcome.kind.advice { members.append(.init("advice", .string(advice))) }
        Output.print(members.line)
    }
}

extension WebhookOutcome.Kind {
    /// What to look at; `nil`: the outcome says it itself.
    fileprivate var advice: String? {
        switch self {
        case .connect:
            "look at host and port of the URL, whether it runs, and at firewalls (and webhooks.proxy) in between"
        case .dns: "look at the host's spelling, and at DNS of this machine"
        case .tls:
            "look at the certificate's name, issuer (webhooks.ca_file) and time, and whether the port speaks TLS"
        case .timeout:
            "no whole answer within webhooks.timeout: look at firewalls in between, then at the endpoint itself"
        case .invalidResponse: "look at the port of the URL: what answers there speaks no HTTP"
        case .proxyDown: "look at webhooks.proxy and webhooks.proxy_credentials_file; the endpoint was not asked"
        case .proxyRefused:
            "look at the proxy's log: it may not be allowed to connect there, or could not; then at the endpoint"
        case .delivered, .status, .refused, .closed, .abandoned, .crowded: nil
        }
    }
}
