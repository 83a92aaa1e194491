internal import ChatModel
internal import GatewaySimulator
package import Webhooks

/// The endpoint of all customers: a stand-in of its own in this process, so that nothing that it accepted is unknown.
package final class WebhookRecorder: Sendable {
    private let receiver: WebhookReceiver
    private let reader: Task<Void, Never>

    package var port: Int { receiver.port }

    package init(secret: WebhookSecret, ledger: Ledger) async throws {
        var options = WebhookReceiver.Options()
        options.secrets = [secret]
        options.recordsDeliveries = false
        let receiver = try await WebhookReceiver.start(options)
        self.receiver = receiver
        reader = Task {
            for await delivery in receiver.deliveries { Self.write(delivery, into: ledger) }
        }
    }

    package func stop() async {
        await receiver.shutdown()
        await reader.value
    }

    private static func write(_ delivery: ReceivedWebhook, into ledger: Ledger) {
        guard let job = delivery.job else { return ledger.stranger("a webhook without a job") }
        let about = (try? JSONValue(parsing: delivery.body))?["data"]?["job"]
        ledger.record(
            WebhookSeen(
                at: ledger.now, id: delivery.id ?? "", isVerified: delivery.verification == .verified,
                attempt: Int64(about?["attempt"]?.integerValue ?? -1), digest: about?["content_sha256"]?.stringValue),
            of: job)
    }
}
