import AMQP
import ChatModel
import Testing

@testable import JobRunner

/// What workers and cancels say on the control stream: read as it was written, and believed of whom it may be believed.
@Suite struct ControlMessageTests {
    private static let key = JobKey(customer: "acme", id: "job-1")

    /// As it comes out of the stream.
    private static func delivery(
        _ body: String, type: String? = nil, userID: String? = nil, messageID: String? = nil,
        headers: FieldTable = [:], timestamp: UInt64? = nil
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: "chat.control", redelivered: false, exchange: "chat.in",
            routingKey: "cancel",
            properties: MessageProperties(
                headers: headers, messageID: messageID, timestamp: timestamp, type: type, userID: userID),
            body: Array(body.utf8))
    }

    private static func read(
        _ delivery: Delivery, _ customers: JobRules.CustomerSource = .job
    ) throws -> ControlMessage? {
        try ControlMessage(delivery, workerUser: "worker", customers: customers)
    }

    @Test(arguments: [
        ControlMessage.claim(key, attempt: 2_001_001), .claim(key, attempt: .max), .cancelled(key), .sync("m"),
        .finished(key, FinishedDelivery(republishes: 3, deliveryCount: 2, bodyHash: .max)),
        .finished(key, FinishedDelivery(republishes: 0, deliveryCount: 0, bodyHash: 0)),
    ])
    func roundTrip(message: ControlMessage) throws {
        let made = message.message(queue: "q", user: "worker") { _ in }
        let written = try #require(made)
        let type =
            switch message {
            case .claim: "claim"
            case .cancelled: "cancelled"
            case .finished: "finished"
            default: "sync"
            }
        let body = String(decoding: written.body, as: UTF8.self)
        #expect(try Self.read(Self.delivery(body, type: type, userID: "worker")) == message)
        // From anybody else it is at most a cancel, and one of such a type is none.
        #expect(throws: ControlMessage.Unreadable.self) {
            try Self.read(Self.delivery(body, type: type, userID: "backend"))
        }
    }

    @Test func workersWriteNoCancel() {
        let cancel = ControlMessage.cancel(.init(key: Self.key, time: nil, offset: 0))
        let written = cancel.message(queue: "q", user: "worker") { _ in }
        #expect(written == nil)
    }

    @Test func aMarkIsForItsSenderOnly() throws {
        #expect(try Self.read(Self.delivery("", type: "mark", userID: "worker")) == nil)
        #expect(throws: ControlMessage.Unreadable.self) { try Self.read(Self.delivery("", type: "mark")) }
    }

    @Test(
        arguments: [
            (#"{"id":"job-1","customer":"acme"}"#, nil, [:]),
            ("{}", "job-1", ["x-customer": .string("acme")]),
            ("", "job-1", ["x-customer": .string("acme")]),
            (#"{"id":"job-1"}"#, "job-1", ["x-customer": .string("acme")]),
            // Libraries give every message an id of its own.
            (#"{"id":"job-1","customer":"acme"}"#, "0c1d0a7e-celery", [:]),
            (#"{"id":null,"customer":"acme"}"#, "job-1", [:]),
        ] as [(String, String?, FieldTable)])
    func aCancel(body: String, messageID: String?, headers: FieldTable) throws {
        var headers = headers
        headers["x-stream-offset"] = .int(77)
        let delivery = Self.delivery(body, type: "cancel", messageID: messageID, headers: headers, timestamp: 9)
        #expect(try Self.read(delivery) == .cancel(.init(key: Self.key, time: 9, offset: 77)))
    }

    @Test func aTimestampThatCannotBeSecondsSaysNothing() throws {
        let delivery = Self.delivery(#"{"id":"job-1","customer":"acme"}"#, timestamp: 1_700_000_000_000_000_000)
        #expect(try Self.read(delivery) == .cancel(.init(key: Self.key, time: nil, offset: 0)))
    }

    @Test(arguments: [
        "[1]", "{", "null", #"{"id":7,"customer":"acme"}"#, #"{"id":"job-1"}"#, #"{"customer":"acme"}"#, "",
        #"{"id":"","customer":"acme"}"#, #"{"id":"job-1","customer":""}"#,
        #"{"id":"\#(String(repeating: "i", count: 129))","customer":"acme"}"#,
        #"{"id":"job-1","customer":"\#(String(repeating: "c", count: 65))"}"#,
        #"{"id":"job-1","customer":"acme","pad":"\#(String(repeating: "p", count: 17_000))"}"#,
    ])
    func unreadable(body: String) {
        for type in [nil, "cancel"] {
            #expect(throws: ControlMessage.Unreadable.self) { try Self.read(Self.delivery(body, type: type)) }
        }
    }

    @Test func onlyTheIDMayDiffer() {
        let number = Self.delivery(#"{"id":7,"customer":"acme"}"#, messageID: "job-2")
        #expect(throws: ControlMessage.Unreadable.self) { try Self.read(number) }
        let stranger = Self.delivery(#"{"id":"job-1","customer":"acme"}"#, headers: ["x-customer": .string("other")])
        #expect(throws: ControlMessage.Unreadable.self) { try Self.read(stranger) }
    }

    /// Where the customer is the broker's word, a customer cancels his own jobs only; a worker may cancel any.
    @Test func theCustomerIsTheUser() throws {
        let body = #"{"id":"job-1","customer":"acme"}"#
        let cancel = ControlMessage.cancel(.init(key: Self.key, time: nil, offset: 0))
        #expect(try Self.read(Self.delivery(body, userID: "acme"), .userID) == cancel)
        #expect(try Self.read(Self.delivery(#"{"id":"job-1"}"#, userID: "acme"), .userID) == cancel)
        #expect(try Self.read(Self.delivery(body, userID: "worker"), .userID) == cancel)
        for user in [nil, "", "other"] {
            #expect(throws: ControlMessage.Unreadable.self) {
                try Self.read(Self.delivery(body, userID: user), .userID)
            }
        }
    }

    @Test(arguments: [
        ("claim", #"{"id":"job-1","customer":"acme"}"#), ("claim", #"{"attempt":1}"#), ("cancelled", "{}"),
        ("finished", #"{"id":"job-1","customer":"acme","republishes":0,"delivery_count":0}"#),
        ("finished", #"{"id":"job-1","customer":"acme","republishes":0,"delivery_count":0,"body":"xyz"}"#),
    ])
    func aWorkersMessageLacksSomething(type: String, body: String) {
        #expect(throws: ControlMessage.Unreadable.self) {
            try Self.read(Self.delivery(body, type: type, userID: "worker"))
        }
    }
}
