import TestSupport
import Testing

@testable import AMQP

/// A publish connection that asks for alarms, against a real broker.
@Suite(.serialized) struct AlarmTests {
    /// A broker's alarm is told to a connection that publishes nothing, with no message that any queue or counter sees.
    @Test func anIdlePublisherHearsOfAnAlarm() async throws {
        let broker = try TestBroker.named("trouble")
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(
            configuration: try AMQPConfiguration(url: broker.url), window: 10, driver: recorder, logger: quiet,
            asksForAlarms: true)
        try publisher.start()
        try await recorder.saw(.opened(1))
        for _ in 0..<2 {
            let before = recorder.log.events.count
            try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.000001") }
            try await recorder.log.wait("blocked") { events in
                events.dropFirst(before).contains { if case .blocked(true) = $0 { true } else { false } }
            }
            try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.5") }
            try await recorder.log.wait("unblocked") { events in
                events.dropFirst(before).contains { if case .blocked(false) = $0 { true } else { false } }
            }
        }
        #expect(!recorder.log.events.contains { if case .lost = $0 { true } else { false } })
        await publisher.close(deadline: .seconds(5))
    }

    /// A login that may not write to the default exchange cannot ask, and works all the same.
    @Test func whoMayNotAskGoesOn() async throws {
        let broker = try TestBroker.named("trouble")
        let (user, queue) = (uniqueName("mute"), uniqueName("mute"))
        try await onOwnThread {
            try broker.control("add_user", user, "x")
            try broker.control("set_permissions", user, "^$", "^amq\\.direct$", "^$")
        }
        var configuration = try AMQPConfiguration(url: broker.url)
        let session = try AMQPSession(configuration: configuration)
        try session.declareQueue(queue, exclusive: true)
        try session.bindQueue(queue, exchange: "amq.direct", routingKey: queue)
        (configuration.username, configuration.password) = (user, "x")
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(
            configuration: configuration, window: 10, driver: recorder, logger: quiet, asksForAlarms: true)
        try publisher.start()
        try await recorder.saw(.opened(1))
        recorder.offer([.init(template: try template(exchange: "amq.direct", queue), body: [1], token: 7)])
        publisher.wake()
        try await recorder.saw(.confirmed(7))
        #expect(!recorder.log.events.contains { if case .lost = $0 { true } else { false } })
        await publisher.close(deadline: .seconds(5))
        session.close()
        try await onOwnThread { _ = try broker.control("delete_user", user) }
    }
}
