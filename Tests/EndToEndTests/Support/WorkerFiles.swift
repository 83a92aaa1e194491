import Foundation
import TestSupport

/// A configuration file and the files that it names, in a folder that goes with this value.
final class WorkerFiles: Sendable {
    /// What a test changes of the configuration.
    struct Settings: Sendable {
        /// `amqp://HOST:PORT`, without user and password.
        var brokerURL: String
        var brokerUser = "guest"
        var brokerPassword = "guest"
        var gatewayURL: String
        var apiKey = "sk-test"
        var webhookSecret: String
        var prefix: String
        var receiverURL: String
        var drainTimeout = "20s"
        var concurrency = 200
        var logLevel = "info"
        /// Empty: several workers of one test do not quarrel about a port.
        var adminListen = ""
        /// Lines for the sections `[broker]`, `[jobs]`, `[gateways.main]`, `[replies]`, `[admin]`, `[worker]`.
        var broker = ""
        var jobs = ""
        var gateway = ""
        var replies = ""
        var admin = ""
        var worker = ""
        /// Whole sections.
        var more = ""
    }

    let folder: String
    var configuration: String { "\(folder)/worker.conf" }

    init(_ settings: Settings) throws {
        folder = NSTemporaryDirectory() + "chat-worker-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write(settings.brokerPassword, to: "broker-password")
        try write(settings.apiKey, to: "api-key")
        try write(settings.webhookSecret, to: "webhook-secret")
        try write(text(settings), to: "worker.conf")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Changes `worker.conf` as an operator would.
    func replace(_ changes: [String: String]) throws {
        var text = try String(contentsOfFile: configuration, encoding: .utf8)
        for (old, new) in changes {
            guard text.contains(old) else { throw TestBroker.Failure(description: "worker.conf has no \(old)") }
            text = text.replacing(old, with: new)
        }
        try write(text, to: "worker.conf")
    }

    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let file = "\(folder)/\(name)"
        try Data((text + "\n").utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        return file
    }

    private func text(_ settings: Settings) -> String {
        let models = Deployment.models.map { "[models.\"\($0)\"]\ninput_price = 2.5\noutput_price = 8\n" }
        return """
            [broker]
            url = "\(settings.brokerURL)"
            username = "\(settings.brokerUser)"
            password_file = "\(folder)/broker-password"
            prefix = "\(settings.prefix)"
            heartbeat = "2s"
            reconnect_first = "100ms"
            reconnect_most = "500ms"
            retry_tiers = ["100ms", "500ms"]
            \(settings.broker)

            [jobs]
            concurrency = \(settings.concurrency)
            \(settings.jobs)

            [replies]
            \(settings.replies)

            [gateways.main]
            url = "\(settings.gatewayURL)"
            key_file = "\(folder)/api-key"
            \(settings.gateway)

            \(models.joined())
            [profiles.general]
            model = "gpt-4.1"
            max_tokens = 500

            \(settings.more)

            [limits]
            drain_timeout = "\(settings.drainTimeout)"

            [webhooks]
            schedule = ["0s", "200ms", "200ms"]
            jitter = 0
            allow_networks = ["127.0.0.0/8"]
            allow_http_hosts = ["127.0.0.1"]
            secret_files = ["\(folder)/webhook-secret"]

            [webhooks.endpoints.receiver]
            url = "\(settings.receiverURL)"

            [worker]
            event_loops = 2
            log_level = "\(settings.logLevel)"
            \(settings.worker)

            [admin]
            listen = "\(settings.adminListen)"
            \(settings.admin)
            """
    }
}

extension Deployment {
    /// The settings of `chat-worker run` that fit this deployment.
    func workerSettings(apiKey: String = "sk-test") -> WorkerFiles.Settings {
        let address = amqp.addresses[0]
        return WorkerFiles.Settings(
            brokerURL: "amqp://\(address.host):\(address.port)", gatewayURL: gateway.url, apiKey: apiKey,
            webhookSecret: configuration.webhooks.defaultKeys.secrets[0].reveal(), prefix: prefix,
            receiverURL: receiver.url)
    }
}
