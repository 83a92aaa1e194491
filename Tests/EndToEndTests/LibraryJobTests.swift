import AMQP
import ChatModel
import TestSupport
import Testing

/// Jobs as libraries send them: with properties that whoever wrote the job never thought of.
@Suite(.serialized, .timeLimit(.minutes(3))) struct LibraryJobTests {
    /// What kombu (Celery) sets on each message.
    private static func kombu(_ number: Int) -> MessageProperties {
        MessageProperties(
            contentType: "application/json", contentEncoding: "utf-8", isPersistent: true, priority: 0,
            correlationID: "correlation-\(number)", replyTo: "5f0e8a52-9d3c-3c1e-8f6a-\(number)",
            messageID: "0b1f7c1e-3f1a-4a8e-9a1e-\(number)")
    }

    private static func job(_ id: String, _ number: Int, _ queue: String, members: String = "") -> TestJob {
        let body =
            #"{"model":"gpt-4.1","messages":[{"role":"user","content":"hi"}],"user":"\#(id)"\#(members),"job":{"id":"\#(id)","customer":"acme","reply_to":"\#(queue)"}}"#
        return TestJob(raw: Array(body.utf8), properties: kombu(number))
    }

    /// Answer, refusal and cancel go by the body's id, to the body's queue.
    @Test func theBodysNameCountsEverywhere() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let queue = "\(deployment.prefix).reply.acme"
            let slow = #","x_simulate":"rate:20,tokens:400""#
            try await deployment.enqueue([
                Self.job("done", 1, queue), Self.job("refused", 2, queue, members: #","n":0"#),
                Self.job("slow", 3, queue, members: slow),
            ])
            try AnswerCheck(try await replies.terminal(of: "done"))
                .expectComplete(deployment.gateway.answers(user: "done").first)
            let refusal = try #require(AnswerCheck(try await replies.terminal(of: "refused")).failure)
            #expect(refusal["error"]?["param"]?.stringValue == "n")
            try await replies.log.wait("chunks of the slow one") { seen in seen.contains { $0.job == "slow" } }
            let (amqp, exchange) = (deployment.amqp, deployment.names.intake)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "backend")
                defer { session.close() }
                _ = try session.publish(
                    exchange: exchange, routingKey: "cancel", properties: Self.kombu(4),
                    body: Array(#"{"id":"slow","customer":"acme"}"#.utf8), mandatory: true)
            }
            let end = try #require(AnswerCheck(try await replies.terminal(of: "slow")).failure)
            #expect(end["error"]?["type"]?.stringValue == "cancelled")
            await runner.stop()
            let dead = try await deployment.takeAll(deployment.names.dead, atLeast: 1)
            #expect(dead.map(\.properties.messageID) == [Self.kombu(2).messageID], "as it came")
            #expect(try await deployment.leftOver().isEmpty)
        }
    }
}
