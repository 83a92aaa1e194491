import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// A cancel ends a job wherever it is, and nothing else.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CancelTests {
    private static let slow = #","x_simulate":"rate:20,tokens:400""#

    /// The terminal of a cancelled job, and what goes with it.
    private func expectCancelled(
        _ job: String, _ replies: ReplyCollector, _ deployment: Deployment, hasText: Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let all = try await replies.terminal(of: job)
        let check = AnswerCheck(all)
        #expect(check.terminals == 1, sourceLocation: sourceLocation)
        let failure = try #require(check.failure, sourceLocation: sourceLocation)
        #expect(failure["error"]?["type"]?.stringValue == "cancelled", sourceLocation: sourceLocation)
        #expect(failure["error"]?["retryable"] == .bool(false), sourceLocation: sourceLocation)
        let partial = failure["partial"]?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
        if hasText {
            // What was paid for, byte for byte, and what it cost. The gateway learns of the end after everybody else.
            try await deployment.gateway.waitUntilAnswered(user: job)
            #expect(partial == deployment.gateway.answers(user: job).first?.text, sourceLocation: sourceLocation)
            #expect(check.reader.text == partial, sourceLocation: sourceLocation)
            #expect(failure["job"]?["cost"]?["amount"]?.doubleValue ?? 0 > 0, sourceLocation: sourceLocation)
        } else {
            #expect(failure["partial"] == .null, sourceLocation: sourceLocation)
        }
    }

    @Test func whileItStreams() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("stream", extra: Self.slow)])
            try await replies.log.wait("first chunks") { $0.count >= 5 }
            // Another customer's job of the same name is meant, then none at all.
            try await deployment.cancel("stream", customer: "rival")
            try await deployment.cancel("unknown")
            let count = replies.log.events.count
            try await replies.log.wait("it goes on") { $0.count >= count + 5 }
            let start = ContinuousClock.now
            try await deployment.cancel("stream")
            try await deployment.gateway.waitUntilAnswered(user: "stream")
            #expect(ContinuousClock.now - start < .seconds(1), "the gateway's socket is closed within a second")
            #expect(deployment.gateway.answers(user: "stream").first?.end == .abandoned)
            try await expectCancelled("stream", replies, deployment, hasText: true)
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.type == "chat.completion.cancelled")
            // Twice, and too late.
            try await deployment.cancel("stream")
            await runner.stop()
            #expect(replies.replies(of: "stream").count { $0.isTerminal } == 1)
            #expect(runner.status.cancelled == 1)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// The clock of who cancels is behind that of who enqueues: a cancel ends the job that runs all the same.
    @Test(arguments: [5, 3_600]) func byAClockThatIsBehind(seconds: UInt64) async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let now = UInt64(WallClock.now().milliseconds / 1_000)
            var job = TestJob("skewed", extra: Self.slow).quiet
            job.properties.timestamp = now
            try await deployment.enqueue([job])
            try await replies.log.wait("first chunks") { $0.count >= 5 }
            try await deployment.cancel(
                "skewed",
                properties: MessageProperties(
                    headers: ["x-customer": .string("acme")], isPersistent: true, messageID: "skewed",
                    timestamp: now - seconds, type: "cancel"))
            try await expectCancelled("skewed", replies, deployment, hasText: true)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func whileItWaitsForAPlace() async throws {
        var settings = Deployment.Settings()
        settings.concurrency = 1
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("first", extra: Self.slow).quiet])
            try await replies.log.wait("first chunks") { $0.count >= 2 }
            try await deployment.enqueue([TestJob("second", extra: Self.slow).quiet])
            // By properties alone.
            try await deployment.cancel(
                "second",
                properties: MessageProperties(
                    headers: ["x-customer": .string("acme")], isPersistent: true, messageID: "second"))
            try await expectCancelled("second", replies, deployment, hasText: false)
            try await deployment.cancel("first")
            try await expectCancelled("first", replies, deployment, hasText: true)
            await runner.stop()
            #expect(deployment.gateway.counters.requests == 1, "nobody pays for what was cancelled before")
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func whileItBacksOff() async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(firstWait: .seconds(4), jitter: 0)
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("backoff", extra: #","x_simulate":"cut:0""#).quiet])
            try await deployment.gateway.waitUntilAnswered(user: "backoff")
            try await deployment.cancel("backoff")
            try await expectCancelled("backoff", replies, deployment, hasText: false)
            await runner.stop()
            #expect(deployment.gateway.counters.requests == 1)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func whileItWaitsInAQueue() async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(firstWait: .milliseconds(2_900), jitter: 0, longestInWorker: .milliseconds(10))
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("parked", extra: #","x_simulate":"cut:0@1""#).quiet])
            try await deployment.gateway.waitUntilAnswered(user: "parked")
            try await deployment.cancel("parked")
            // It comes by between two passages through waiting queues, long before its time.
            try await expectCancelled("parked", replies, deployment, hasText: false)
            await runner.stop()
            #expect(deployment.gateway.counters.requests == 1)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// The stream keeps what was written while nobody read; a job that was enqueued after its cancel runs.
    @Test func whileEveryWorkerIsDown() async throws {
        let deployment = try await Deployment()
        let first = try await deployment.startWorker()
        await first.stop()
        let replies = try await deployment.collector(customers: ["acme"])
        var (down, later) = (TestJob("down"), TestJob("later"))
        down.webhook = nil
        later.webhook = nil
        later.properties.timestamp = 2_000
        var cancel = MessageProperties(
            headers: ["x-customer": .string("acme")], isPersistent: true, messageID: "later", timestamp: 1_000)
        try await deployment.cancel("later", properties: cancel)
        cancel.messageID = "down"
        cancel.timestamp = nil
        try await deployment.enqueue([down, later])
        try await deployment.cancel("down", properties: cancel)
        let second = try await deployment.startWorker()
        try await expectCancelled("down", replies, deployment, hasText: false)
        try AnswerCheck(try await replies.terminal(of: "later")).expectComplete(
            deployment.gateway.answers(user: "later").first)
        // The cancel is used up: enqueued anew, the job runs; also for a worker that reads all of it again.
        await second.stop()
        let third = try await deployment.startWorker()
        try await deployment.enqueue([down])
        let all = try await replies.log.first("second run") {
            $0.properties.type == "chat.completion" && $0.job == "down" ? $0 : nil
        }
        #expect(all.properties.headers.integer("x-attempt") == 1)
        replies.stop()
        await third.stop()
        #expect(try await deployment.leftOver().isEmpty)
        try await deployment.tearDown()
    }

    /// Where the broker says who somebody is, he cancels for himself only.
    @Test func theCustomerIsTheUser() async throws {
        var settings = Deployment.Settings()
        settings.customerSource = .userID
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["guest"])
            defer { replies.stop() }
            var job = TestJob("mine", customer: "guest", extra: Self.slow).quiet
            job.properties.userID = "guest"
            try await deployment.enqueue([job])
            try await replies.log.wait("first chunks") { $0.count >= 2 }
            // Without a user it says nothing, whatever customer it names.
            try await deployment.cancel("mine", customer: "guest")
            let count = replies.log.events.count
            try await replies.log.wait("it goes on") { $0.count >= count + 5 }
            try await deployment.cancel(
                "mine",
                properties: MessageProperties(
                    headers: ["x-customer": .string("guest")], messageID: "mine", userID: "guest"))
            try await expectCancelled("mine", replies, deployment, hasText: true)
            await runner.stop()
        }
    }

    /// `replies.cancel_when_unread`: nobody pays for what nobody can read; a webhook is a reader too.
    @Test func whenItsReaderIsGone() async throws {
        var settings = Deployment.Settings()
        settings.cancelsWhenUnread = true
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let amqp = deployment.amqp
            let isAsked = EventLog<Void>()
            let exchange = deployment.names.intake
            let hangsUp = Task {
                // Its reader goes away with the connection: the answer has no address any more.
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "direct")
                    try session.consume("amq.rabbitmq.reply-to", noAck: true)
                    var job = TestJob("direct", extra: Self.slow).quiet
                    job.properties.replyTo = "amq.rabbitmq.reply-to"
                    _ = try session.publish(
                        exchange: exchange, routingKey: "jobs", properties: job.properties, body: job.body)
                    _ = try session.receive(timeout: .seconds(10))
                    isAsked.append(())
                    session.close()
                }
            }
            var nowhere = TestJob("nowhere", customer: "nobody", extra: Self.slow).quiet
            nowhere.properties.replyTo = "\(deployment.prefix).reply.nobody"
            var hooked = nowhere
            hooked = TestJob("hooked", customer: "nobody", extra: #","x_simulate":"rate:20,tokens:80""#)
            try await deployment.enqueue([
                nowhere, hooked, TestJob("read", extra: #","x_simulate":"rate:20,tokens:80""#).quiet,
            ])
            try await isAsked.wait("first chunk") { !$0.isEmpty }
            try await hangsUp.value
            try await deployment.gateway.waitUntilAnswered(user: "direct")
            #expect(deployment.gateway.answers(user: "direct").map(\.end) == [.abandoned])
            for _ in 0..<400 where runner.status.cancelled < 2 { try await Task.sleep(for: .milliseconds(25)) }
            // The broker may have told before the gateway was asked at all.
            #expect(deployment.gateway.answers(user: "nowhere").allSatisfy { $0.end == .abandoned })
            try AnswerCheck(try await replies.terminal(of: "read")).expectComplete(
                deployment.gateway.answers(user: "read").first)
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.type == "chat.completion.completed" && hook.job == "hooked")
            await runner.stop()
            #expect(runner.status.cancelled == 2)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func garbageOnTheControlStreamIsHarmless() async throws {
        try await MainJobTests.withWorker { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let (amqp, exchange) = (deployment.amqp, deployment.names.intake)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "backend")
                defer { session.close() }
                for body in [
                    "", "{", "[1]", "null", "{\"id\":7}", "{\"id\":\"a\"}", "\u{0}",
                    String(repeating: "[", count: 9_000),
                ] {
                    for type in [nil, "cancel", "sync", "claim", "finished", "cancelled", "mark"] {
                        _ = try session.publish(
                            exchange: exchange, routingKey: "cancel", properties: MessageProperties(type: type),
                            body: Array(body.utf8))
                    }
                }
            }
            try await deployment.enqueue([TestJob("after").quiet])
            try AnswerCheck(try await replies.terminal(of: "after")).expectComplete(
                deployment.gateway.answers(user: "after").first)
        }
    }
}
