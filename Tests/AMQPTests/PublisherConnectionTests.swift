import Foundation
import TestSupport
import Testing

@testable import AMQP

/// Against a real broker.
@Suite struct PublisherConnectionTests {
    private let broker: TestBroker
    private let fixture: Fixture

    init() throws {
        broker = try TestBroker.shared()
        fixture = try Fixture(broker)
    }

    /// Every message once, in order, numbered by the header that is overwritten in place.
    @Test(arguments: [1, 64, 1000]) func tenThousandConfirmed(_ window: Int) async throws {
        let queue = uniqueName("publish")
        try fixture.session.declareQueue(queue, durable: true)
        let (connection, recorder) = try fixture.publisher(window: window)
        let count = window == 1 ? 500 : 10_000
        // One template a message would hide a mistake in overwriting: one for all, as in the streaming path.
        let feeder = SequenceDriver(template: try template(queue), count: count, recorder: recorder)
        await connection.close(deadline: .zero)
        let publisher = PublisherConnection(
            configuration: fixture.configuration, window: window, driver: feeder, logger: quiet)
        try publisher.start()
        publisher.wake()
        try await recorder.saw(.confirmed(UInt64(count - 1)))
        await publisher.close(deadline: .seconds(5))
        let confirmed = recorder.log.events.compactMap { event -> UInt64? in
            if case .confirmed(let token) = event { token } else { nil }
        }
        #expect(confirmed.sorted() == (0..<UInt64(count)).filter { $0.isMultiple(of: 10) || $0 == UInt64(count - 1) })
        #expect(feeder.mostOutstanding <= window)

        try fixture.session.consume(queue, noAck: true)
        for expected in 0..<count {
            let delivery = try #require(try fixture.session.receive(timeout: .seconds(5)))
            guard delivery.properties.headers.integer("x-seq") == Int64(expected),
                delivery.properties.messageID == "id-\(expected)", delivery.body == Array("\(expected)".utf8)
            else {
                Issue.record("message \(expected) is \(delivery.properties)")
                break
            }
        }
        try fixture.session.deleteQueue(queue)
    }

    /// While the connection's thread sleeps, who has a message publishes it himself.
    @Test func publishedByTheCaller() async throws {
        let queue = uniqueName("caller")
        try fixture.session.declareQueue(queue, durable: true)
        let (connection, recorder) = try fixture.publisher()
        try await recorder.saw(.opened(1))
        let message = try template(queue)
        for number in 0..<100 {
            let caller = try await onOwnThread {
                // Its thread may be busy with the confirm of the message before.
                Thread.sleep(forTimeInterval: 0.01)
                recorder.offer([.init(template: message, body: [1], token: UInt64(number))])
                connection.publish()
                return pthread_self()
            }
            try await recorder.saw(.confirmed(UInt64(number)))
            if recorder.threads.withLock({ $0.contains(caller) }) { break }
        }
        await connection.close(deadline: .seconds(5))
        #expect(recorder.threads.withLock(\.count) > 1)
        try fixture.session.deleteQueue(queue)
    }

    /// Many publish beside each other and beside the connection's own thread: each message once, each thread's in order,
    /// and every confirm is told, whether somebody waits for it or not.
    @Test(arguments: [(1000, true), (1000, false), (8, true), (8, false)])
    func publishedByManyThreads(window: Int, awaitsConfirms: Bool) async throws {
        let queue = uniqueName("threads")
        try fixture.session.declareQueue(queue, durable: true)
        let (connection, recorder) = try fixture.publisher(window: window, awaitsConfirms: awaitsConfirms)
        try await recorder.saw(.opened(1))
        let (threads, count) = (4, 500)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<threads {
                let message = try template(queue)
                group.addTask {
                    try await onOwnThread {
                        for number in 0..<count {
                            recorder.offer([
                                .init(
                                    template: message, body: Array("\(thread) \(number)".utf8),
                                    token: UInt64(thread * count + number))
                            ])
                            connection.publish()
                            if number.isMultiple(of: 50) { Thread.sleep(forTimeInterval: 0.01) }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        try await recorder.log.wait("\(threads * count) confirms") { events in
            events.count { if case .confirmed = $0 { true } else { false } } == threads * count
        }
        await connection.close(deadline: .seconds(5))
        try fixture.session.consume(queue, noAck: true)
        var next = [Int](repeating: 0, count: threads)
        for _ in 0..<(threads * count) {
            let delivery = try #require(try fixture.session.receive(timeout: .seconds(5)))
            let words = String(decoding: delivery.body, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
            #expect(words[1] == next[words[0]])
            next[words[0]] += 1
        }
        #expect(next == [Int](repeating: count, count: threads))
        try fixture.session.deleteQueue(queue)
    }

    @Test func refusedByAFullQueue() async throws {
        let queue = uniqueName("full")
        try fixture.session.declareQueue(
            queue, durable: true, arguments: ["x-max-length": .int(3), "x-overflow": .string("reject-publish")])
        let (connection, recorder) = try fixture.publisher()
        recorder.offer(
            try (0..<10).map { number in
                .init(template: try template(queue), body: [1], token: UInt64(number), notify: number < 5)
            })
        connection.wake()
        try await recorder.log.wait("10 answers") { events in
            events.contains(.rejected(9)) && events.contains(.confirmed(2))
        }
        #expect((3..<10).allSatisfy { recorder.log.events.contains(.rejected(UInt64($0))) })
        #expect((0..<3).allSatisfy { recorder.log.events.contains(.confirmed(UInt64($0))) })
        await connection.close(deadline: .seconds(5))
        try fixture.session.deleteQueue(queue)
    }

    /// The return comes before the confirm, and for the message that found no queue.
    @Test func returnedBeforeConfirmed() async throws {
        let queue = uniqueName("routed")
        try fixture.session.declareQueue(queue, durable: true, arguments: ["x-queue-type": .string("quorum")])
        let (connection, recorder) = try fixture.publisher()
        recorder.offer([
            .init(template: try template(queue, messageID: "a"), body: [1], token: 1, mandatory: true),
            .init(template: try template("no.such.queue", messageID: "b"), body: [1], token: 2, mandatory: true),
            .init(template: try template(queue, messageID: "c"), body: [1], token: 3, mandatory: true),
            .init(template: try template("no.such.queue", messageID: "d"), body: [1], token: 4, mandatory: true),
            .init(template: try template("no.such.queue", messageID: "e"), body: [1], token: 5),
        ])
        connection.wake()
        for token in UInt64(1)...5 { try await recorder.saw(.confirmed(token)) }
        let events = recorder.log.events
        for token in [UInt64(2), 4] {
            let returned = try #require(events.firstIndex(of: .returned(token, 312)))
            let confirmed = try #require(events.firstIndex(of: .confirmed(token)))
            #expect(returned < confirmed)
        }
        #expect(events.count { if case .returned = $0 { true } else { false } } == 2)
        await connection.close(deadline: .seconds(5))
        try fixture.session.deleteQueue(queue)
    }

    @Test func largeBodies() async throws {
        let queue = uniqueName("large")
        try fixture.session.declareQueue(queue, durable: true)
        let (connection, recorder) = try fixture.publisher()
        let sizes = [0, 131_064, 131_065, 3_000_000]
        recorder.offer(
            try sizes.enumerated().map { index, size in
                .init(
                    template: try template(queue), body: [UInt8](repeating: UInt8(index), count: size),
                    token: UInt64(index))
            })
        connection.wake()
        for index in sizes.indices { try await recorder.saw(.confirmed(UInt64(index))) }
        await connection.close(deadline: .seconds(5))
        for (index, size) in sizes.enumerated() {
            let body = try #require(try fixture.session.get(queue, noAck: true)?.body)
            #expect(body.count == size && body.allSatisfy { $0 == UInt8(index) })
        }
        try fixture.session.deleteQueue(queue)
    }

    /// A forged user id closes the channel: typed, and the connection comes back.
    @Test func channelErrorIsTyped() async throws {
        let (connection, recorder) = try fixture.publisher()
        let forged = try PublishTemplate(
            exchange: "", routingKey: "q", properties: MessageProperties(userID: "somebody-else"))
        recorder.offer([.init(template: forged, body: [1], token: 8)])
        connection.wake()
        let (error, unconfirmed) = try await recorder.lost()
        #expect(error.code == .channelClosed && error.replyCode == 406)
        #expect(unconfirmed == [8])
        try await recorder.saw(.opened(2))
        await connection.close(deadline: .seconds(5))
    }

    @Test func accessRefused() async throws {
        var configuration = fixture.configuration
        configuration.password = "hunter2-is-wrong"
        let recorder = PublisherRecorder()
        let connection = PublisherConnection(
            configuration: configuration, window: 1, driver: recorder, logger: quiet)
        try connection.start()
        let error = try await recorder.failed()
        #expect(error.code == .accessRefused && error.replyCode == 403)
        #expect(!error.description.contains("hunter2"))
        await connection.close(deadline: .seconds(5))

        configuration = fixture.configuration
        configuration.virtualHost = "no-such-host"
        let refused = #expect(throws: AMQPError.self) { try AMQPSession(configuration: configuration) }
        #expect(refused?.code == .accessRefused && refused?.message.contains("no-such-host") == true)
    }

    @Test func secondAddressIsTried() async throws {
        var configuration = fixture.configuration
        configuration.addresses.insert(.init(host: "127.0.0.1", port: 1), at: 0)
        let recorder = PublisherRecorder()
        let connection = PublisherConnection(
            configuration: configuration, window: 1, driver: recorder, logger: quiet)
        try connection.start()
        #expect(try await recorder.failed().code == .unreachable)
        try await recorder.saw(.opened(1))
        await connection.close(deadline: .seconds(5))
    }

    @Test func closeReportsWhatIsOutstanding() async throws {
        var configuration = fixture.configuration
        configuration.addresses = [.init(host: "127.0.0.1", port: 1)]
        let recorder = PublisherRecorder()
        let connection = PublisherConnection(
            configuration: configuration, window: 1, driver: recorder, logger: quiet)
        try connection.start()
        _ = try await recorder.failed()
        let start = ContinuousClock.now
        await connection.close(deadline: .seconds(30))
        #expect(ContinuousClock.now - start < .seconds(10))
    }
}
