import AMQP
import ChatModel
import Foundation
import TestSupport
import Testing

/// Dead letters as workers leave them, and what becomes of them.
extension ProcessTests.Dead {
    /// Stands in every prompt.
    static let canary = "PROMPTCANARY"

    static var now: String { Date().ISO8601Format() }

    struct Letter: Sendable {
        var properties: MessageProperties
        var body: [UInt8]
    }

    /// As a worker leaves it.
    static func job(
        _ id: String, customer: String = "acme", reason: String = "expired: It waited too long.",
        deadAt: String = "2026-06-01T00:00:00Z", deadline: String = "null"
    ) -> Letter {
        let body = """
            {"model":"gpt-4.1","messages":[{"role":"user","content":"\(canary)"}],\
            "job":{"id":"\(id)","customer":"\(customer)","deadline":\(deadline)}}
            """
        return Letter(
            properties: MessageProperties(
                contentType: "application/json",
                headers: [
                    "x-reason": .string(reason), "x-stage": .string("waiting"), "x-tries": .int(0),
                    "x-dead-at": .string(deadAt), "x-origin-queue": .string("elsewhere"),
                    "x-republished": .int(1), "x-verified-customer": .string(customer), "mine": .string(canary),
                ],
                isPersistent: true, messageID: id, userID: "guest"),
            body: Array(body.utf8))
    }

    /// Declares the topology, and puts these where the dead lie.
    static func bury(_ stage: ProcessStage, _ letters: [Letter]) async throws {
        let declared = try await stage.command("topology", "--declare")
        #expect(declared.exitCode == 0, "\(declared.all)")
        let queue = stage.deployment.names.dead
        _ = try await onSession(stage) { session in
            for letter in letters {
                let outcome = try session.publish(
                    routingKey: queue, properties: letter.properties, body: letter.body, mandatory: true)
                #expect(outcome == .confirmed)
            }
            return true
        }
    }

    /// The ids that `list` shows, sorted.
    static func left(_ stage: ProcessStage) async throws -> [String] {
        let list = try await stage.command("dead", "list", "--json")
        #expect(list.exitCode == 0, "\(list.all)")
        return try list.output.split(separator: "\n")
            .map { try JSONValue(parsing: $0.utf8)["id"]?.stringValue ?? "?" }.sorted()
    }

    static func onSession<Value: Sendable>(
        _ stage: ProcessStage, _ body: @escaping @Sendable (AMQPSession) throws -> Value
    ) async throws -> Value {
        let amqp = stage.deployment.amqp
        return try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "gravedigger")
            defer { session.close() }
            return try body(session)
        }
    }
}
