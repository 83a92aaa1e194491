import AMQP
import ChatModel
import Foundation
import JobRunner
import TestSupport
import Testing

/// A cluster of three nodes; the one that the worker is connected to dies under load.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ClusterTests {
    /// As long as no reply may come. RabbitMQ 4.3 keeps a minute what it had given to a consumer whose node died, and without
    /// its delivery a job has no last message.
    private static let silence = Duration.seconds(150)

    @Test func aNodeDiesAndNothingIsLost() async throws {
        let nodes = try await onOwnThread { try TestBroker.cluster("cluster", nodes: 3) }
        do {
            try await run(nodes)
        } catch {
            try? await onOwnThread { for node in nodes.reversed() { try node.wipe() } }
            throw error
        }
        try await onOwnThread { for node in nodes.reversed() { try node.wipe() } }
    }

    private func run(_ nodes: [TestBroker]) async throws {
        var settings = Deployment.Settings()
        settings.broker = "cluster"
        settings.failover = try await onOwnThread {
            try nodes.dropFirst().map { try AMQPConfiguration(url: $0.url).addresses[0] }
        }
        settings.gateway.tokens = 60
        settings.gateway.tokensPerSecond = 20
        settings.heartbeat = .seconds(2)
        let deployment = try await Deployment(settings)
        let worker = try await deployment.startWorker()
        let names = deployment.names
        let members = try await onOwnThread {
            try nodes[1].control("list_queues", "name", "members").split(separator: "\n")
                .first { $0.hasPrefix(names.jobs + "\t") }.map(String.init)
        }
        #expect(members?.split(separator: ",").count == 3, "\(members ?? "") has a copy on each node")

        // Replies that must outlive a node stand in a quorum queue; their reader is connected to another one.
        let (amqp, queue) = (deployment.amqp, "\(deployment.prefix).reply.acme")
        let wanted = Set((0..<60).map { "job-\($0)" })
        var elsewhere = amqp
        elsewhere.addresses = Array(settings.failover.prefix(1))
        let (reader, isReading) = (elsewhere, EventLog<String>())
        async let terminals = onOwnThread {
            let session = try AMQPSession(configuration: reader, role: "customer")
            defer { session.close() }
            try session.declareQueue(queue, durable: true, arguments: ["x-queue-type": .string("quorum")])
            try session.consume(queue, prefetch: 1_000)
            isReading.append("reading")
            var terminals: Set<String> = []
            while terminals != wanted, let reply = try session.receive(timeout: Self.silence) {
                try session.acknowledge(reply)
                if reply.properties.type == "chat.completion", let job = reply.job { terminals.insert(job) }
            }
            return terminals
        }
        try await isReading.wait("the reader") { !$0.isEmpty }
        let jobs = wanted.sorted().map { TestJob($0) }
        try await deployment.enqueue(jobs)
        while worker.status.running < 50 { try await Task.sleep(for: .milliseconds(50)) }
        let pid = try await onOwnThread { try nodes[0].processID }
        #expect(kill(pid, SIGKILL) == 0)

        let hooks = try await deployment.webhooks(within: .seconds(180)) { Set($0.compactMap(\.job)) == wanted }
        #expect(hooks.allSatisfy { $0.type == "chat.completion.completed" })
        #expect(try await terminals == wanted, "every job's last message")
        #expect(worker.status.isConsuming, "on another node")
        #expect(deployment.gateway.counters.requests == wanted.count, "all were adopted")
        await worker.stop()
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "inspector")
            defer { session.close() }
            #expect(try session.inspectQueue(names.jobs).messageCount == 0)
            #expect(try session.inspectQueue(names.dead).messageCount == 0)
        }
        try await deployment.tearDown()
    }
}
