import Testing
import Webhooks

@testable import GatewaySimulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.serialized) struct WebhookReceiverTests {
    private static let secret = WebhookSecret.random()
    private static let body =
        #"{"type":"chat.completion.completed","data":{"job":{"id":"job-7","customer":"acme"},"text":"한국어"}}"#

    private func request(
        id: String = "msg_1", secret: WebhookSecret = secret, age: Int64 = 0, body: String = body, sent: String? = nil,
        drop: String? = nil, method: String = "POST"
    ) -> String {
        let timestamp = Int64(time(nil)) - age
        let signature = WebhookSigner(secrets: [secret]).signature(
            id: id, timestamp: timestamp, body: Array(body.utf8))
        let headers = [
            ("Host", "localhost"), ("Connection", "close"), ("Content-Length", "\((sent ?? body).utf8.count)"),
            ("Webhook-Id", id), ("Webhook-Timestamp", "\(timestamp)"), ("Webhook-Signature", signature),
        ].filter { $0.0 != drop }
        return "\(method) /hooks HTTP/1.1\r\n" + headers.map { "\($0): \($1)\r\n" }.joined() + "\r\n" + (sent ?? body)
    }

    private func withReceiver(
        _ change: (inout WebhookReceiver.Options) -> Void = { _ in },
        _ body: @escaping @Sendable (WebhookReceiver) async throws -> Void
    ) async throws {
        var options = WebhookReceiver.Options()
        options.secrets = [Self.secret]
        change(&options)
        let receiver = try await WebhookReceiver.start(options)
        do {
            try await withDeadline { try await body(receiver) }
        } catch {
            await receiver.shutdown()
            throw error
        }
        await receiver.shutdown()
    }

    @Test func aGoodSignatureIsVerified() async throws {
        try await withReceiver { receiver in
            let answer = try await rawExchange(port: receiver.port, request())
            #expect(answer.hasPrefix("HTTP/1.1 204 "))
            let delivery = try #require(await receiver.deliveries.first { _ in true })
            #expect(delivery.verification == .verified && delivery.isAccepted && delivery.attempt == 1)
            #expect(delivery.type == "chat.completion.completed" && delivery.job == "job-7")
            #expect(delivery.customer == "acme" && delivery.id == "msg_1" && delivery.path == "/hooks")
            #expect(delivery.body == Array(Self.body.utf8))
            #expect(receiver.received == [delivery])
        }
    }

    @Test(arguments: ["other secret", "changed body", "stale", "early", "no id", "no timestamp", "no signature"])
    func whatIsNotSignedWellIsRefused(kind: String) async throws {
        let text =
            switch kind {
            case "other secret": request(secret: .random())
            case "changed body": request(sent: Self.body.replacing("job-7", with: "job-8"))
            case "stale": request(age: 400)
            case "early": request(age: -400)
            case "no id": request(drop: "Webhook-Id")
            case "no timestamp": request(drop: "Webhook-Timestamp")
            default: request(drop: "Webhook-Signature")
            }
        try await withReceiver { receiver in
            let answer = try await rawExchange(port: receiver.port, text)
            #expect(answer.hasPrefix("HTTP/1.1 401 "))
            let delivery = try #require(receiver.received.first)
            guard case .failed = delivery.verification else {
                Issue.record("\(delivery.verification)")
                return
            }
            #expect(!delivery.isAccepted)
        }
    }

    @Test func theFirstRequestsFailAndAttemptsAreCounted() async throws {
        try await withReceiver {
            $0.failFirst = 2
            $0.failStatus = 503
            $0.retryAfter = "1"
            $0.status = 200
        } _: { receiver in
            for status in [503, 503, 200] {
                let answer = try await rawExchange(port: receiver.port, request())
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
                #expect(answer.contains("retry-after: 1\r\n") == (status == 503))
            }
            _ = try await rawExchange(port: receiver.port, request(id: "msg_2"))
            #expect(receiver.received.map(\.attempt) == [1, 2, 3, 1])
            #expect(receiver.received.map(\.isAccepted) == [false, false, true, true])
        }
    }

    @Test func withoutSecretsNothingIsChecked() async throws {
        try await withReceiver {
            $0.secrets = []
        } _: { receiver in
            let answer = try await rawExchange(port: receiver.port, request(drop: "Webhook-Id"))
            #expect(answer.hasPrefix("HTTP/1.1 204 "))
            #expect(receiver.received.map(\.verification) == [.unchecked])
        }
    }

    @Test func otherRequestsAreNoDeliveries() async throws {
        try await withReceiver {
            $0.maximumBodySize = 10
        } _: { receiver in
            let answer = try await rawExchange(port: receiver.port, request(method: "PUT"))
            #expect(answer.hasPrefix("HTTP/1.1 405 "))
            let tooLarge = try await rawExchange(port: receiver.port, request())
            #expect(tooLarge.hasPrefix("HTTP/1.1 413 "))
            #expect(receiver.received.isEmpty)
        }
    }

    @Test func shutdownEndsTheDeliveriesAndMayBeRepeated() async throws {
        try await withReceiver { receiver in
            _ = try await rawExchange(port: receiver.port, request())
            await receiver.shutdown()
            await receiver.shutdown()
            var count = 0
            for await _ in receiver.deliveries { count += 1 }
            #expect(count == 1)
        }
    }

    @Test func answersCanBeDelayed() async throws {
        try await withReceiver {
            $0.delay = .milliseconds(150)
        } _: { receiver in
            let start = ContinuousClock.now
            _ = try await rawExchange(port: receiver.port, request())
            #expect(ContinuousClock.now - start >= .milliseconds(150))
        }
    }
}
