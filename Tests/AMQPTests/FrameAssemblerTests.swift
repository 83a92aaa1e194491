import Testing

@testable import AMQP

@Suite struct FrameAssemblerTests {
    /// An `IncomingFrame` that owns its bytes.
    enum Sample: Sendable {
        case method(UInt16, IncomingMethod)
        case header(UInt16, class: UInt16, size: UInt64, MessageProperties = MessageProperties())
        case body(UInt16, [UInt8])

        static func deliver(_ tag: UInt64 = 1) -> Sample {
            .method(
                1, .deliver(consumerTag: "c", deliveryTag: tag, redelivered: false, exchange: "x", routingKey: "k"))
        }
    }

    private func feed(
        _ samples: [Sample], maximum: Int = 100, cap: UInt64 = 1000, room: UInt64 = .max
    ) throws(AMQPError) -> [BrokerEvent] {
        var assembler = FrameAssembler(channel: 1, maximumBodySize: maximum, hardCap: cap)
        assembler.room = room
        var events: [BrokerEvent] = []
        for sample in samples {
            if let event = try assembler.consume(sample) { events.append(event) }
        }
        return events
    }

    private func message(
        _ body: [UInt8], size: UInt64? = nil, isOversize: Bool = false, tag: UInt64 = 1
    )
        -> IncomingMessage
    {
        IncomingMessage(
            deliveryTag: tag, redelivered: false, exchange: "x", routingKey: "k", properties: MessageProperties(),
            body: body, bodySize: size ?? UInt64(body.count), isOversize: isOversize,
            bodyHash: BodyHash(of: body).value)
    }

    @Test func deliveries() throws {
        let events = try feed([
            .deliver(1), .header(1, class: 60, size: 0),
            .deliver(2), .header(1, class: 60, size: 3), .body(1, [1, 2]), .body(1, []), .body(1, [3]),
        ])
        #expect(
            events == [
                .delivered(consumerTag: "c", message([])), .delivered(consumerTag: "c", message([1, 2, 3], tag: 2)),
            ])
    }

    @Test(arguments: [(100, false), (101, true)])
    func overTheLimitIsMarkedAndKept(_ size: Int, _ isOversize: Bool) throws {
        let body = [UInt8](repeating: 7, count: size)
        let events = try feed([.deliver(), .header(1, class: 60, size: UInt64(size)), .body(1, body)])
        #expect(events == [.delivered(consumerTag: "c", message(body, isOversize: isOversize))])
    }

    /// There is no room: it is known before a byte of it is kept. What the hash is of is the same, however it is cut.
    @Test func whatHasNoRoomIsSkipped() throws {
        let events = try feed(
            [
                .deliver(1), .header(1, class: 60, size: 3), .body(1, [1, 2]), .body(1, [3]),
                .deliver(2), .header(1, class: 60, size: 2), .body(1, [1]), .body(1, [2]),
            ], room: 2)
        var skipped = message([], size: 3)
        skipped.isSkipped = true
        #expect(
            events == [
                .delivered(consumerTag: "c", skipped), .delivered(consumerTag: "c", message([1, 2], tag: 2)),
            ])
        #expect(BodyHash(of: Array("foobar".utf8)).value == 0x8594_4171_F739_67E8, "FNV-1a's own test vector")
    }

    @Test func overTheHardCapIsCountedAndThrownAway() throws {
        let part = [UInt8](repeating: 7, count: 501)
        let events = try feed([.deliver(), .header(1, class: 60, size: 1002), .body(1, part), .body(1, part)])
        #expect(events == [.delivered(consumerTag: "c", message([], size: 1002, isOversize: true))])
    }

    /// The claim of a header costs nothing: only what comes is kept.
    @Test func hugeClaim() throws {
        #expect(try feed([.deliver(), .header(1, class: 60, size: .max), .body(1, [1])], cap: .max).isEmpty)
    }

    @Test func returnsAndGets() throws {
        let properties = MessageProperties(messageID: "m")
        let events = try feed([
            .method(1, .returned(replyCode: 312, replyText: "NO_ROUTE", exchange: "x", routingKey: "k")),
            .header(1, class: 60, size: 2, properties), .body(1, [1, 2]),
            .method(1, .getEmpty),
            .method(1, .getOk(deliveryTag: 1, redelivered: false, exchange: "x", routingKey: "k")),
            .header(1, class: 60, size: 1), .body(1, [9]),
        ])
        #expect(
            events == [
                .returned(
                    ReturnedMessage(
                        replyCode: 312, replyText: "NO_ROUTE", exchange: "x", routingKey: "k", messageID: "m",
                        bodySize: 2)),
                .getEmpty, .got(message([9])),
            ])
    }

    static let single: [(IncomingMethod, UInt16, BrokerEvent?)] = [
        (.acknowledge(tag: 4, multiple: true), 1, .acknowledged(tag: 4, multiple: true)),
        (.refuse(tag: 4, multiple: false), 1, .refused(tag: 4, multiple: false)),
        (.cancel(consumerTag: "c"), 1, .cancelled(consumerTag: "c")),
        (.cancelOk(consumerTag: "c"), 1, .cancelConfirmed(consumerTag: "c")),
        (.channelClose(replyCode: 406, replyText: "t"), 1, .channelClosed(replyCode: 406, replyText: "t")),
        (.connectionClose(replyCode: 320, replyText: "t"), 0, .connectionClosed(replyCode: 320, replyText: "t")),
        (.blocked(reason: "low on memory"), 0, .blocked(reason: "low on memory")),
        (.unblocked, 0, .unblocked),
        (.other(0x000A_0046), 0, nil), (.other(0x0014_0015), 1, nil),
        // On the wrong channel these mean nothing.
        (.connectionClose(replyCode: 320, replyText: "t"), 1, nil), (.acknowledge(tag: 1, multiple: false), 0, nil),
    ]

    @Test(arguments: single) func methods(_ method: IncomingMethod, _ channel: UInt16, _ event: BrokerEvent?) throws {
        #expect(try feed([.method(channel, method)]) == [event].compactMap { $0 })
    }

    /// A connection-level method may come between the frames of a content; a channel.close ends it.
    @Test func interleaving() throws {
        let events = try feed([
            .deliver(), .method(0, .blocked(reason: "r")), .header(1, class: 60, size: 1), .method(0, .unblocked),
            .body(1, [1]), .deliver(2), .method(1, .channelClose(replyCode: 404, replyText: "")), .deliver(3),
            .header(1, class: 60, size: 0),
        ])
        #expect(
            events == [
                .blocked(reason: "r"), .unblocked, .delivered(consumerTag: "c", message([1])),
                .channelClosed(replyCode: 404, replyText: ""), .delivered(consumerTag: "c", message([], tag: 3)),
            ])
    }

    static let hostile: [[Sample]] = [
        [.header(1, class: 60, size: 1)],
        [.body(1, [1])],
        [.deliver(), .body(1, [1])],
        [.deliver(), .deliver()],
        [.deliver(), .method(1, .acknowledge(tag: 1, multiple: false))],
        [.deliver(), .header(1, class: 10, size: 1)],
        [.deliver(), .header(2, class: 60, size: 1)],
        [.deliver(), .header(0, class: 60, size: 1)],
        [.deliver(), .header(1, class: 60, size: 1), .header(1, class: 60, size: 1)],
        [.deliver(), .header(1, class: 60, size: 1), .body(1, [1, 2])],
        [.deliver(), .header(1, class: 60, size: 2), .body(1, [1]), .body(1, [1, 2])],
        [.deliver(), .header(1, class: 60, size: 0), .body(1, [])],
        [.deliver(), .header(1, class: 60, size: 2), .body(2, [1])],
        [.method(2, .acknowledge(tag: 1, multiple: false))],
        [.method(.max, .channelClose(replyCode: 1, replyText: ""))],
    ]

    @Test(arguments: hostile) func isAViolation(_ samples: [Sample]) {
        let error = #expect(throws: AMQPError.self) { try feed(samples) }
        #expect(error?.code == .protocolViolation)
    }

    /// Any sequence of frames either makes events or is a violation; it never traps, and what is delivered has the
    /// size that was announced.
    @Test(arguments: 0..<100) func fuzz(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var assembler = FrameAssembler(channel: 1, maximumBodySize: 10, hardCap: 20)
        for _ in 0..<3000 {
            let channel: UInt16 = [1, 1, 1, 1, 1, 0, 2].randomElement(using: &random) ?? 1
            let sample: Sample =
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<3: .deliver(.random(in: 0...UInt64.max, using: &random))
                case 3..<6:
                    .header(
                        channel, class: Int.random(in: 0..<20, using: &random) == 0 ? 50 : 60,
                        size: [0, 1, 5, 25, .max].randomElement(using: &random) ?? 0)
                case 6..<9:
                    .body(channel, [UInt8](repeating: 1, count: Int.random(in: 0..<26, using: &random)))
                default: .method(channel, Self.single.randomElement(using: &random)?.0 ?? .unblocked)
                }
            do throws(AMQPError) {
                if case .delivered(_, let message)? = try assembler.consume(sample) {
                    #expect(message.bodySize > 20 ? message.body.isEmpty : message.body.count == message.bodySize)
                    #expect(message.isOversize == (message.bodySize > 10))
                }
            } catch {
                #expect(error.code == .protocolViolation)
                assembler = FrameAssembler(channel: 1, maximumBodySize: 10, hardCap: 20)
            }
        }
    }
}

extension FrameAssembler {
    fileprivate mutating func consume(_ sample: FrameAssemblerTests.Sample) throws(AMQPError) -> BrokerEvent? {
        switch sample {
        case .method(let channel, let method): return try consume(.method(channel: channel, method))
        case .header(let channel, let classID, let size, let properties):
            return try consume(.header(channel: channel, classID: classID, bodySize: size, properties: properties))
        case .body(let channel, let bytes):
            return try bytes.withUnsafeBytesTyped { (buffer) throws(AMQPError) in
                try self.consume(.body(channel: channel, buffer))
            }
        }
    }
}
