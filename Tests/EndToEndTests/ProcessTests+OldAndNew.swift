import AMQP
import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// A worker of an earlier version and one of this, on one broker, as during an upgrade. `CHAT_WORKER_OLD_BINARY` is the
    /// path of the earlier program; without it nothing is tested.
    @Suite(.serialized, .timeLimit(.minutes(5))) struct OldAndNew {
        static let oldBinary = ProcessInfo.processInfo.environment["CHAT_WORKER_OLD_BINARY"]

        @Test(.enabled(if: oldBinary != nil), arguments: [true, false])
        func theyShareABroker(killsTheOld: Bool) async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 40
            settings.gateway.tokensPerSecond = 20
            settings.concurrency = 20
            try await ProcessStage.run(settings) { stage in
                let deployment = stage.deployment
                let customer = try await deployment.collector(customers: ["acme"])
                defer { customer.stop() }
                // The old one is there first, and has declared its queues.
                let old = try stage.startWorker(binary: Self.oldBinary ?? "")
                try await old.untilReady()
                let new = try await stage.startReadyWorker()
                let first = (0..<100).map { TestJob("job-\($0)") }
                try await deployment.enqueue(first)
                try await customer.log.wait("the first ends") { events in
                    events.count { $0.properties.type == "chat.completion" } >= 30
                }
                let victim = killsTheOld ? old : new
                await victim.kill()
                let next = try stage.startWorker(binary: killsTheOld ? nil : Self.oldBinary)
                try await next.untilReady()
                let second = (100..<150).map { TestJob("job-\($0)") }
                try await deployment.enqueue(second)
                let wanted = Set((first + second).map(\.id))
                let hooks = try await deployment.webhooks(within: .seconds(120)) { Set($0.compactMap(\.job)) == wanted }
                #expect(hooks.allSatisfy { $0.type == "chat.completion.completed" })
                for job in wanted.sorted() {
                    let last = try await customer.terminal(of: job).last
                    #expect(last?.properties.type == "chat.completion", "\(job)")
                }
                for worker in stage.workers where worker !== victim { #expect(try await worker.terminate() == 0) }
                #expect(try await deployment.leftOver().isEmpty)
            }
        }
    }
}
