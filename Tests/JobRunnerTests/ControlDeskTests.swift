import AMQP
import ChatModel
import Logging
import NIOEmbedded
import Synchronization
import Testing
import Webhooks

@testable import JobRunner

/// When the control stream is read from its beginning again, and what of it is logged.
@Suite struct ControlDeskTests {
    private final class Seen: Sendable {
        let written = Mutex<[DurableMessage]>([])
        let rereads = Atomic<Int>(0)
        let logged = Atomic<Int>(0)
        let cancelled = Mutex<[Bool]>([])
        let released = Atomic<Int>(0)
    }

    private struct CountingHandler: LogHandler {
        let seen: Seen
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { seen.logged.add(1, ordering: .relaxed) }
    }

    private static let queue = "chat.control"

    private static func desk(_ loop: NIOAsyncTestingEventLoop, _ seen: Seen) throws -> ControlDesk {
        var broker = try AMQPConfiguration(url: "amqp://worker:x@127.0.0.1:1")
        broker.username = "worker"
        let configuration = JobRunnerConfiguration(
            broker: broker,
            plan: TopologyPlan(
                names: QueueNames(prefix: "chat"), jobRetryTiers: [100], webhookRetryTiers: [100]),
            rules: JobRules(), gateways: [], webhooks: WebhookConfiguration())
        let desk = ControlDesk(
            configuration: configuration, timers: loop,
            logger: Logger(label: "test") { _ in CountingHandler(seen: seen) },
            publish: { message in seen.written.withLock { $0.append(message) } })
        desk.attach(
            ControlDesk.Actions(
                cancelled: { _, isLive in seen.cancelled.withLock { $0.append(isLive) } }, claimed: { _, _ in },
                finished: { _, _ in }, released: { _ in seen.released.add(1, ordering: .relaxed) },
                mustReread: { seen.rereads.add(1, ordering: .relaxed) }))
        return desk
    }

    private static func message(
        _ body: [UInt8], type: String? = nil, userID: String? = nil
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 0), queue: queue, redelivered: false, exchange: "",
            routingKey: queue,
            properties: MessageProperties(type: type, userID: userID), body: body)
    }

    private static let cancel = message(Array(#"{"id":"j","customer":"acme"}"#.utf8))

    /// It takes longer than the time for silence; as long as something comes it is read on, and begun anew only then.
    @Test func aLongStreamIsReadOn() async throws {
        let (loop, seen) = (NIOAsyncTestingEventLoop(), Seen())
        let desk = try Self.desk(loop, seen)
        desk.opened(generation: 1)
        let mark = try #require(seen.written.withLock { $0.first })
        mark.settled(.confirmed)
        for _ in 0..<5 {
            await loop.advanceTime(by: .seconds(8))
            desk.received(Self.cancel)
        }
        #expect(seen.rereads.load(ordering: .relaxed) == 0)
        #expect(seen.cancelled.withLock { $0 } == Array(repeating: false, count: 5), "old ones, as far as is known")
        await loop.advanceTime(by: .seconds(21))
        #expect(seen.rereads.load(ordering: .relaxed) == 1, "it is silent")
        desk.received(Self.message(mark.body, type: "sync", userID: "worker"))
        #expect(seen.released.load(ordering: .relaxed) == 1)
        desk.received(Self.cancel)
        #expect(seen.cancelled.withLock { $0.last } == true)
        await loop.advanceTime(by: .seconds(60))
        #expect(seen.rereads.load(ordering: .relaxed) == 1)
        await loop.shutdownGracefully()
    }

    @Test func unreadableMessagesAreLoggedByCount() async throws {
        let (loop, seen) = (NIOAsyncTestingEventLoop(), Seen())
        let desk = try Self.desk(loop, seen)
        for _ in 0..<1_000 { desk.received(Self.message([0x5B])) }
        #expect(seen.logged.load(ordering: .relaxed) == 10, "1, 2, 4, ... 512")
        await loop.shutdownGracefully()
    }
}
