internal import Foundation
package import Webhooks

/// The files of a worker under test, in a folder: `worker.conf` and what it names. Everything that a worker talks to is a
/// proxy of the driver's own.
package struct ChaosConfiguration: Sendable {
    package var folder: String
    package var prefix = "chaos"
    package var brokerPort: Int
    package var gatewayPort: Int
    package var webhookPort: Int
    package var secret: WebhookSecret

    var workerFile: String { "\(folder)/worker.conf" }
    var keyFile: String { "\(folder)/api-key" }

    package init(folder: String, brokerPort: Int, gatewayPort: Int, webhookPort: Int, secret: WebhookSecret) {
        self.folder = folder
        self.brokerPort = brokerPort
        self.gatewayPort = gatewayPort
        self.webhookPort = webhookPort
        self.secret = secret
    }

    package func write() throws {
        try put("sk-chaos", at: keyFile)
        try put(secret.reveal(), at: "\(folder)/webhook-secret")
        try put(text, at: workerFile)
    }

    private func put(_ text: String, at path: String) throws {
        try Data((text + "\n").utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }

    /// Short times, so that a fault is over soon; but longer than a busy machine needs. The gateway's timeouts are longer
    /// than a frozen worker sleeps.
    private var text: String {
        """
        [broker]
        url = "amqp://127.0.0.1:\(brokerPort)"
        prefix = "\(prefix)"
        heartbeat = "2s"
        timeout = "5s"
        reconnect_first = "100ms"
        reconnect_most = "500ms"
        retry_tiers = ["100ms", "500ms", "1s"]

        [jobs]
        concurrency = 200

        [gateways.main]
        url = "ws://127.0.0.1:\(gatewayPort)/v1"
        key_file = "\(keyFile)"
        first_chunk_timeout = "8s"
        idle_timeout = "8s"

        [models."gpt-4.1"]

        [retry]
        first_wait = "300ms"
        in_worker = "400ms"

        [limits]
        drain_timeout = "1500ms"

        [webhooks]
        timeout = "3s"
        schedule = ["0s"\(String(repeating: ", \"500ms\"", count: 60))]
        slow_down_wait = "1s"
        allow_networks = ["127.0.0.0/8"]
        allow_http_hosts = ["127.0.0.1"]
        secret_files = ["\(folder)/webhook-secret"]

        [webhooks.endpoints.receiver]
        url = "http://127.0.0.1:\(webhookPort)/"

        [admin]
        listen = ""

        [worker]
        event_loops = 2
        """
    }
}
