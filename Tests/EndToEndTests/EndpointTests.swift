import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing
import Webhooks

/// Endpoints that fail, are turned off, or ask for order; against a real broker.
@Suite(.serialized, .timeLimit(.minutes(3))) struct EndpointTests {
    private static let endpoint = EndpointID(text: "receiver")

    private static func history(_ dead: Delivery) throws -> [JSONValue] {
        let text = try #require(dead.properties.headers.string("x-webhook-history"))
        return try #require(try JSONValue(parsing: text.utf8).arrayValue)
    }

    /// 410 turns the endpoint off: for this worker, for one that starts later, and until an operator turns it on.
    @Test func goneIsKnownToEveryWorkerAndRestart() async throws {
        var settings = Deployment.Settings()
        settings.receiver.failFirst = 1
        settings.receiver.failStatus = 410
        try await MainJobTests.withWorker(settings) { deployment, runner in
            try await deployment.enqueue([TestJob("first")])
            let first = try #require(try await deployment.takeAll(deployment.names.dead, atLeast: 1).first)
            #expect(first.properties.headers.string("x-reason")?.hasPrefix("endpoint_gone") == true)
            #expect(try Self.history(first).map { $0["status"]?.integerValue } == [410])
            await runner.stop()

            let second = try await deployment.startWorker()
            do {
                try await deployment.enqueue([TestJob("second")])
                let dead = try #require(try await deployment.takeAll(deployment.names.dead, atLeast: 1).first)
                #expect(dead.properties.headers.string("x-reason")?.hasPrefix("endpoint_disabled") == true)
                #expect(dead.properties.headers.integer("x-tries") == 0)
                #expect(deployment.receiver.received.count == 1, "it was not asked again")

                let (amqp, names) = (deployment.amqp, deployment.names)
                let ledger = try await onOwnThread { try Self.ledger(amqp, names) }
                #expect(ledger.entries[Self.endpoint]?.toggle?.reason == .gone)
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "operator")
                    defer { session.close() }
                    let event = EndpointEvent(
                        endpoint: Self.endpoint, state: .enabled, time: WallClock.now(), reason: .operator)
                    _ = try session.publish(
                        exchange: names.events, routingKey: event.routingKey,
                        properties: event.properties(user: amqp.username), body: event.body)
                }
                try await deployment.enqueue([TestJob("third")])
                for await hook in deployment.receiver.deliveries where hook.job == "third" { break }
            } catch {
                await second.stop()
                throw error
            }
            await second.stop()
        }
    }

    /// What the journal holds, up to now.
    private static func ledger(_ amqp: AMQPConfiguration, _ names: QueueNames) throws -> EndpointLedger {
        let session = try AMQPSession(configuration: amqp, role: "inspector")
        defer { session.close() }
        try session.consume(names.journal, prefetch: 100, arguments: ["x-stream-offset": .string("first")])
        var ledger = EndpointLedger()
        while let delivery = try session.receive(timeout: .seconds(1)) {
            try session.acknowledge(delivery)
            if let event = EndpointEvent(routingKey: delivery.routingKey, body: delivery.body) { ledger.note(event) }
        }
        return ledger
    }

    @Test func exhaustedTriesAreAllToldAndAnEventSaysSo() async throws {
        var settings = Deployment.Settings()
        settings.receiver.failFirst = 100
        settings.receiver.failStatus = 503
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let (amqp, names) = (deployment.amqp, deployment.names)
            let listener = uniqueName("listener")
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "dashboard")
                defer { session.close() }
                try session.declareQueue(listener, durable: true, arguments: ["x-expires": .int(60_000)])
                try session.bindQueue(listener, exchange: names.events, routingKey: "webhook.#")
            }
            try await deployment.enqueue([TestJob("hopeless")])
            let dead = try #require(try await deployment.takeAll(names.dead, atLeast: 1).first)
            #expect(dead.properties.headers.string("x-reason")?.hasPrefix("tries_exhausted") == true)
            let history = try Self.history(dead)
            #expect(history.map { $0["status"]?.integerValue } == [503, 503, 503])
            #expect(history.allSatisfy { $0["latency_ms"] != nil && $0["time"] != nil && $0["outcome"] != nil })
            let events = try await deployment.takeAll(listener, atLeast: 3)
            #expect(events.map(\.routingKey) == ["webhook.retrying", "webhook.retrying", "webhook.dead"])
            let retried = try JSONValue(parsing: try #require(events.first).body)
            let (time, next) = (retried["time"]?.stringValue, retried["next"]?.stringValue)
            #expect(retried["tries"]?.integerValue == 1 && retried["status"]?.integerValue == 503)
            #expect(try #require(time) < #require(next), "the next try is later")
            let event = try #require(events.last)
            let body = try JSONValue(parsing: event.body)
            #expect(body["job"] == .string("hopeless") && body["tries"]?.integerValue == 3)
            #expect(body["reason"] == .string("tries_exhausted") && body["endpoint"] == .string("receiver"))
        }
    }

    /// The first one fails at first; nothing of its customer overtakes it.
    @Test func oneCustomersResultsComeOneAfterAnother() async throws {
        var settings = Deployment.Settings()
        settings.receiver.failFirst = 2
        settings.gateway.tokens = 3
        settings.webhookOptions.ordering = .customer
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let jobs = (1...6).map { "ordered-\($0)" }
            // In the order of their ends, which is that of their webhooks.
            for job in jobs {
                try await deployment.enqueue([TestJob(job)])
                try await replies.terminal(of: job)
            }
            var accepted: [String] = []
            for await hook in deployment.receiver.deliveries where hook.status < 300 {
                accepted.append(hook.job ?? "")
                if accepted.count == jobs.count { break }
            }
            #expect(accepted == jobs)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func eachRoleAloneDoesItsPart() async throws {
        var settings = Deployment.Settings()
        settings.roles = [.jobs]
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("split")])
            try await replies.terminal(of: "split")
            #expect(deployment.receiver.received.isEmpty)
            let (amqp, names) = (deployment.amqp, deployment.names)
            let queues = try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "inspector")
                defer { session.close() }
                return try [names.webhooks, names.orderedWebhooks].map { try session.inspectQueue($0) }
            }
            #expect(queues.allSatisfy { $0.consumerCount == 0 }, "it takes no webhooks")
            await runner.stop()
            let other = try await deployment.startWorker(roles: [.webhooks])
            do {
                try await deployment.enqueue([TestJob("later")])
                #expect(try await MainJobTests.firstWebhook(deployment).job == "split")
                #expect(deployment.gateway.counters.requests == 1, "it takes no jobs")
            } catch {
                await other.stop()
                throw error
            }
            await other.stop()
            #expect(try await deployment.leftOver() == [deployment.names.jobs])
        }
    }

    @Test func aThinWebhookHoldsNoTextOfTheAnswer() async throws {
        var settings = Deployment.Settings()
        settings.webhookOptions.payload = .thin
        settings.webhookOptions.cloudEvents = true
        settings.webhookOptions.headers = [.init(name: "x-tenant", value: "t-1")]
        try await MainJobTests.withWorker(settings) { deployment, runner in
            try await deployment.enqueue([TestJob("thin")])
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.verification == .verified && hook.job == "thin")
            let data = try #require(try JSONValue(parsing: hook.body)["data"])
            #expect(data["choices"] == nil && data["payload"] == .string("thin"))
            #expect(data["usage"]?["completion_tokens"] != nil)
            #expect(hook.header("ce-id") == hook.header("webhook-id") && hook.header("ce-specversion") == "1.0")
            #expect(hook.header("ce-type") == "chat.completion.completed")
            #expect(hook.header("x-tenant") == "t-1")
        }
    }
}
