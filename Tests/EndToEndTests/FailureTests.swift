import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// What goes wrong has an outcome: refused jobs, failing gateways, failing webhooks, drains.
@Suite(.serialized, .timeLimit(.minutes(3))) struct FailureTests {
    @Test(arguments: [
        ("{", MessageProperties(isPersistent: true, messageID: "bad"), "body"),
        (
            #"{"model":"gpt-4.1","messages":[{}],"job":{"customer":"acme"}}"#, MessageProperties(isPersistent: true),
            "job.id"
        ),
        (
            #"{"model":"gpt-4.1","messages":[{}],"messages":[],"job":{"customer":"acme"}}"#,
            MessageProperties(headers: ["x-customer": .string("acme")], isPersistent: true, messageID: "bad"),
            "body (messages)"
        ),
        (
            #"{"model":"gpt-4.1","messages":[{}],"job":{"id":"bad","customer":"acme","reply_to":"x.reply.rival"}}"#,
            MessageProperties(isPersistent: true), "reply_to"
        ),
        (
            #"{"model":"gpt-4.1","messages":[{}],"job":{"id":"bad","customer":"acme","webhook":"http://10.0.0.1/"}}"#,
            MessageProperties(isPersistent: true), "job.webhook"
        ),
        (
            #"{"model":"gpt-4.1","messages":[{}],"job":{"id":"bad","customer":"acme"}}"#,
            MessageProperties(contentEncoding: "gzip", isPersistent: true), "content_encoding"
        ),
    ])
    func refusedJobsAreDeadLettered(body: String, properties: MessageProperties, field: String) async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob(raw: Array(body.utf8), properties: properties)])
            let dead = try #require(try await deployment.takeAll(deployment.names.dead, atLeast: 1).first)
            #expect(dead.body == Array(body.utf8), "untouched")
            #expect(dead.properties.headers.string("x-reason-field") == field)
            #expect(dead.properties.headers.string("x-stage") == "validating")
            #expect(dead.properties.headers.string("x-origin-queue") == deployment.names.jobs)
            if body.contains("\"acme\"") {
                let error = try await replies.log.first("error reply") { $0.isTerminal ? $0 : nil }
                #expect(error.properties.type == "error")
                let reply = try JSONValue(parsing: error.body)
                #expect(reply["error"]?["param"]?.stringValue == field)
                #expect(reply["error"]?["retryable"] == .bool(false))
            }
            await runner.stop()
            #expect(deployment.gateway.counters.requests == 0)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Where the worker declares reply queues, whatever is answered finds one: refusals, and what the broker has given up.
    @Test func endsOutsideARunningJobFindTheirQueue() async throws {
        var settings = Deployment.Settings()
        settings.replyQueues = ReplyQueuePlan(
            kind: .classic, expires: .seconds(120), maximumLength: 1_000, maximumLengthBytes: 1 << 20)
        let deployment = try await Deployment(settings)
        let amqp = deployment.amqp
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "operator")
            defer { session.close() }
            try session.declare(deployment.configuration.plan.topology)
        }
        // While no worker runs the broker expires it.
        var late = TestJob("late", customer: "late").quiet
        late.properties.expiration = "1"
        let early = TestJob("early", customer: "early", extra: ",\"n\":0").quiet
        try await deployment.enqueue([late, early])
        let runner = try await deployment.startWorker()
        // Buried once they are answered.
        #expect(try await deployment.takeAll(deployment.names.dead, atLeast: 2).count == 2)
        for (customer, code) in [("late", "expired"), ("early", "invalid_job")] {
            let queue = "\(deployment.prefix).reply.\(customer)"
            let replies = try await deployment.takeAll(queue, atLeast: 1)
            #expect(replies.count == 1)
            let body = try JSONValue(parsing: replies.first?.body ?? [])
            #expect(body["error"]?["code"]?.stringValue == code)
        }
        await runner.stop()
        try await deployment.tearDown()
    }

    /// A backend that may only write to the intake lets the worker's login publish to whom it names: nobody gets anything.
    @Test func headersOfABackendDoNotRoute() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let (amqp, names) = (deployment.amqp, deployment.names)
            let victim = "\(deployment.prefix).reply.victim"
            let spied = [names.control, names.journal, names.endpoints, names.webhooks, names.orderedWebhooks]
            let replies = try await deployment.collector(customers: ["acme", "victim"])
            defer { replies.stop() }
            let keys = ([victim] + spied + [names.failed, names.suspect, names.jobsHigh]).map { FieldValue.string($0) }
            let forged: FieldTable = [
                "x-attempt": .int(9), "CC": .array(keys), "mine": .string("kept"), "x-webhook-id": .string("msg_1"),
            ]
            let properties = MessageProperties(
                headers: forged, isPersistent: true, messageID: "forged", type: "chat.completion")
            var parked = TestJob("parked", extra: #","x_simulate":"refuse:429:1@1""#)
            parked.properties.headers = forged
            try await deployment.enqueue([TestJob(raw: Array("not a job".utf8), properties: properties), parked])
            try await replies.terminal(of: "parked")
            _ = try await MainJobTests.firstWebhook(deployment)
            let dead = try #require(try await deployment.takeAll(names.dead, atLeast: 1).first)
            #expect(dead.properties.headers["CC"] == nil)
            guard case .table(let senders)? = dead.properties.headers["x-sender-headers"] else {
                Issue.record("the backend's own headers are gone: \(dead.properties.headers)")
                return
            }
            #expect(senders.string("mine") == "kept")
            // What the worker itself writes to the victim's neighbours is known; of the forged message nothing is there.
            let found = try await onOwnThread { () -> [Delivery] in
                let session = try AMQPSession(configuration: amqp, role: "spy")
                defer { session.close() }
                for stream in [names.control, names.journal, names.endpoints] {
                    try session.consume(stream, prefetch: 100, arguments: ["x-stream-offset": .string("first")])
                }
                var found: [Delivery] = []
                while let delivery = try session.receive(timeout: .seconds(1)) { found.append(delivery) }
                return found
            }
            #expect(!found.contains { $0.properties.messageID == "forged" || $0.body == Array("not a job".utf8) })
            #expect(!replies.log.events.contains { $0.queue == victim })
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Properties that kill the unwary: nanoseconds as a timestamp, Latin-1 that grows as UTF-8.
    @Test func oddPropertiesHaveAnOutcome() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            var odd = TestJob("odd")
            odd.properties.timestamp = 1_795_389_094_000_000_000
            var bad = TestJob("bad", extra: ",\"n\":0")
            bad.properties.appID = String(repeating: "é", count: 120)
            try await deployment.enqueue([odd, bad])
            try AnswerCheck(try await replies.terminal(of: "odd")).expectComplete(
                deployment.gateway.answers(user: "odd").first)
            try await replies.terminal(of: "bad")
            #expect(try await deployment.takeAll(deployment.names.dead, atLeast: 1).count == 1)
            _ = try await MainJobTests.firstWebhook(deployment)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A customer's own queue that is full refuses every chunk: the job ends all the same, and its webhook comes.
    @Test func aFullReplyQueueDoesNotHoldTheJob() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 5
        try await MainJobTests.withWorker(settings) { deployment, runner in
            try await deployment.declareFullQueue("\(deployment.prefix).reply.full")
            try await deployment.enqueue([TestJob("full", customer: "full")])
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.type == "chat.completion.completed")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Larger than any job may be: refused by its size, and kept whole among the dead letters.
    @Test(
        .enabled("RabbitMQ 4 takes no message over 16 MiB") {
            try await onOwnThread { try TestBroker.version()[0] < 4 }
        })
    func aVeryLargeBodyIsDeadLetteredWhole() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let body = [UInt8](repeating: 0x61, count: 66 << 20)
            try await deployment.enqueue([
                TestJob(
                    raw: body,
                    properties: MessageProperties(
                        headers: ["x-customer": .string("acme")], isPersistent: true, messageID: "huge"))
            ])
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "huge")).failure)
            #expect(failure["error"]?["code"]?.stringValue == "invalid_job")
            let dead = try await deployment.takeAll(deployment.names.dead, atLeast: 1)
            #expect(dead.count == 1 && dead.first?.bodySize == UInt64(body.count) && dead.first?.body == body)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A reply queue that is full for a moment refuses the last chunks of an answer: its end waits until they are said again.
    @Test func anEndWaitsForChunksThatWereRefused() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 5
        settings.gateway.tokensPerSecond = 40
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let (amqp, queue) = (deployment.amqp, "\(deployment.prefix).reply.narrow")
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "customer")
                defer { session.close() }
                try session.declareQueue(
                    queue, durable: true,
                    arguments: [
                        "x-max-length": .int(1), "x-overflow": .string("reject-publish"), "x-expires": .int(120_000),
                    ])
            }
            try await deployment.enqueue([TestJob("narrow", customer: "narrow")])
            for _ in 0..<400 where deployment.gateway.answers(user: "narrow").first?.end != .complete {
                try await Task.sleep(for: .milliseconds(25))
            }
            let all = try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "customer")
                defer { session.close() }
                try session.consume(queue, noAck: true)
                var all: [Delivery] = []
                while all.last?.isTerminal != true, let reply = try session.receive(timeout: .seconds(20)) {
                    all.append(reply)
                }
                return all
            }
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "narrow").first)
            #expect(check.resets >= 1, "something was refused")
            _ = try await MainJobTests.firstWebhook(deployment)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// An exchange that refuses what it gets (a full queue is bound to it) loses no usage event: the job is acked when the
    /// event has arrived.
    @Test func aUsageEventIsNeverGivenUp() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 1
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let (amqp, queue, events) = (deployment.amqp, "\(deployment.prefix).billing", deployment.names.events)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "billing")
                defer { session.close() }
                try session.declareQueue(
                    queue, durable: true,
                    arguments: [
                        "x-max-length": .int(1), "x-overflow": .string("reject-publish"), "x-expires": .int(120_000),
                    ])
                try session.bindQueue(queue, exchange: events, routingKey: "usage.acme")
                _ = try session.publish(routingKey: queue, body: [1])
                _ = try session.publish(routingKey: queue, body: [2])
            }
            let replies = try await deployment.collector(customers: ["acme", "other"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("billed").quiet])
            try await replies.terminal(of: "billed")
            // Longer than a reply would be tried again for: each job of the other customer takes its time.
            let clock = ContinuousClock()
            let start = clock.now
            for round in 1... {
                if clock.now - start > .seconds(8) { break }
                try await deployment.enqueue([TestJob("other-\(round)", customer: "other").quiet])
                try await replies.terminal(of: "other-\(round)")
                #expect(runner.status.running + runner.status.waiting >= 1, "it is not acked")
            }
            let told = try await deployment.takeAll(queue, atLeast: 2)
            #expect(told.contains { $0.properties.type == "usage" && $0.job == "billed" })
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Somebody deletes a queue of the worker's own: nothing is acked that has not arrived.
    @Test func aDeletedDeadLetterQueueLosesNothing() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let (amqp, dead) = (deployment.amqp, deployment.names.dead)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "vandal")
                defer { session.close() }
                try session.deleteQueue(dead)
            }
            try await deployment.enqueue([
                TestJob(raw: Array("{".utf8), properties: MessageProperties(isPersistent: true))
            ])
            // Refused by then, and returned at least once.
            for _ in 0..<400 where runner.status.invalid == 0 { try await Task.sleep(for: .milliseconds(25)) }
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "repair")
                defer { session.close() }
                try session.declareQueue(dead, durable: true, arguments: ["x-queue-type": .string("quorum")])
            }
            #expect(try await deployment.takeAll(dead, atLeast: 1).count == 1)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func aFailureBeforeTheFirstTokenIsTriedAgain() async throws {
        try await MainJobTests.withWorker { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            // The first request of this job is cut before a token; the second is good.
            try await deployment.enqueue([TestJob("again", extra: #","x_simulate":"cut:0@1""#)])
            let all = try await replies.terminal(of: "again")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "again").last)
            #expect(check.resets == 0, "nothing had been sent")
        }
    }

    @Test func aFailureAfterTheFirstTokenKeepsThePaidText() async throws {
        try await MainJobTests.withWorker { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("cut", extra: #","x_simulate":"cut:7""#)])
            let all = try await replies.terminal(of: "cut")
            let check = AnswerCheck(all)
            let answer = try #require(deployment.gateway.answers(user: "cut").first)
            let failure = try #require(check.failure)
            #expect(failure["error"]?["stage"]?.stringValue == "streaming")
            let partial = failure["partial"]?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
            #expect(partial == answer.text)
            #expect(check.reader.text == answer.text)
            #expect(failure["job"]?["usage_source"]?.stringValue == "estimated")
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.type == "chat.completion.failed")
        }
    }

    @Test func webhooksAreTriedAgainByTheQueue() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 3
        settings.receiver.failFirst = 2
        try await MainJobTests.withWorker(settings) { deployment, runner in
            try await deployment.enqueue([TestJob("hook")])
            let hooks = try await deployment.webhooks { $0.count == 3 }
            #expect(hooks.map(\.status) == [500, 500, 204])
            #expect(Set(hooks.map(\.id)).count == 1, "one id over all tries")
            #expect(hooks.allSatisfy { $0.verification == .verified })
            #expect(hooks[1].receivedAt - hooks[0].receivedAt >= 150_000_000, "it waited in the queue")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func webhooksThatNobodyTakesAreDeadLettered() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 3
        settings.receiver.status = 503
        try await MainJobTests.withWorker(settings) { deployment, _ in
            try await deployment.enqueue([TestJob("unwanted")])
            let dead = try #require(try await deployment.takeAll(deployment.names.dead, atLeast: 1).first)
            #expect(dead.properties.headers.string("x-reason")?.hasPrefix("tries_exhausted") == true)
            #expect(dead.properties.headers.integer("x-tries") == 3)
            #expect(deployment.receiver.received.count == 3)
        }
    }

    @Test func aForeignWebhookTaskIsNotPosted() async throws {
        try await MainJobTests.withWorker { deployment, _ in
            let amqp = deployment.amqp
            let queue = deployment.names.webhooks
            let url = deployment.receiver.url
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "forger")
                defer { session.close() }
                let headers: FieldTable = [
                    "x-webhook-id": .string("msg_1"), "x-webhook-url": .string(url), "x-customer": .string("acme"),
                    "x-job": .string("j"), "x-attempt": .int(1), "x-webhook-type": .string("chat.completion.completed"),
                    "x-webhook-tries": .int(0), "x-webhook-created": .int(1),
                ]
                _ = try session.publish(
                    routingKey: queue, properties: MessageProperties(headers: headers), body: Array("{}".utf8))
            }
            let dead = try #require(try await deployment.takeAll(deployment.names.dead, atLeast: 1).first)
            #expect(dead.properties.headers.string("x-reason")?.hasPrefix("foreign_task") == true)
            #expect(deployment.receiver.received.isEmpty)
        }
    }

    /// SIGTERM's way: what cannot be finished in time goes back, and another worker does it.
    @Test func aDrainHandsBackWhatItCannotFinish() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 60
        settings.gateway.tokensPerSecond = 20
        settings.drainTimeout = .milliseconds(300)
        try await MainJobTests.withWorker(settings) { deployment, first in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("handed-back")])
            try await replies.log.wait("first chunks") { $0.count >= 3 }
            await first.stop()
            #expect(!replies.log.events.contains { $0.isTerminal })
            let second = try await deployment.startWorker()
            let all = try await replies.terminal(of: "handed-back")
            await second.stop()
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "handed-back").last)
            AnswerCheck.expectContiguous(all)
            #expect(check.resets == 1)
            #expect(all.last?.properties.headers.integer("x-attempt") == 1_000_001)
            #expect(try await deployment.leftOver(besides: deployment.names.webhooks).isEmpty)
        }
    }

    @Test func aDrainFinishesWhatItCan() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 30
        settings.gateway.tokensPerSecond = 30
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("finishing")])
            try await replies.log.wait("first chunks") { $0.count >= 3 }
            await runner.stop()
            let all = try await replies.terminal(of: "finishing")
            try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "finishing").first)
            #expect(deployment.gateway.counters.requests == 1)
            #expect(try await deployment.leftOver(besides: deployment.names.webhooks).isEmpty)
        }
    }
}
