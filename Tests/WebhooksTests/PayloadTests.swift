import ChatModel
import Testing

@testable import Webhooks

@Suite struct PayloadTests {
    private static let completion = Array(
        #"""
        {"id":"c1","object":"chat.completion","created":1,"model":"gpt-4.1","secret_key":"text",
        "choices":[{"index":0,"message":{"role":"assistant","content":"the text"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":4},
        "job":{"id":"j","customer":"acme","metadata":{"note":"text"},"attempt":1}}
        """#.utf8)
    private static let error = Array(
        #"""
        {"error":{"type":"server_error","code":"x","message":"text","param":null,"retryable":true,"stage":"streaming"},
        "partial":{"text":"the text","usage":{"completion_tokens":2}},"job":{"id":"j","customer":"acme"}}
        """#.utf8)

    private static func body(
        _ data: [UInt8], _ type: WebhookEventType, _ change: (inout WebhookOptions) -> Void
    ) throws
        -> JSONValue?
    {
        var options = WebhookOptions()
        change(&options)
        return try WebhookPayload.body(type: type, timestamp: "t", data: data, options: options).map {
            try JSONValue(parsing: $0)
        }
    }

    @Test func aThinOneHoldsIdsStatusAndUsageAndNoText() throws {
        let body = try #require(try Self.body(Self.completion, .completed) { $0.payload = .thin })
        let data = try #require(body["data"])
        #expect(!String(decoding: body.serialized(), as: UTF8.self).contains("text"))
        #expect(data["status"] == .string("completed") && data["payload"] == .string("thin"))
        #expect(data["usage"]?["completion_tokens"]?.integerValue == 4)
        #expect(data["job"]?["id"] == .string("j") && data["job"]?["attempt"]?.integerValue == 1)
        #expect(data["finish_reasons"] == .array([.string("stop")]))
        #expect(data["too_large"] == nil)
    }

    @Test func aThinErrorSaysWhatKindItIs() throws {
        let body = try #require(try Self.body(Self.error, .failed) { $0.payload = .thin })
        #expect(!String(decoding: body.serialized(), as: UTF8.self).contains("text"))
        #expect(body["data"]?["error"]?["code"] == .string("x"))
        #expect(body["data"]?["error"]?["retryable"] == .bool(true))
        #expect(body["data"]?["usage"]?["completion_tokens"]?.integerValue == 2)
    }

    @Test func aFullOneOverTheLimitBecomesThinAndSaysSo() throws {
        let size = Self.completion.count
        let fits = try #require(try Self.body(Self.completion, .completed) { $0.maximumPayloadSize = size })
        #expect(fits["data"]?["choices"] != nil)
        let cut = try #require(try Self.body(Self.completion, .completed) { $0.maximumPayloadSize = size - 1 })
        #expect(cut["data"]?["choices"] == nil && cut["data"]?["too_large"] == .bool(true))
    }

    @Test func onlyTheEventsThatAreWantedAreMade() throws {
        for type in WebhookEventType.jobEvents {
            let body = try Self.body(Self.error, type) { $0.events = [.failed] }
            #expect((body == nil) == (type != .failed))
        }
    }

    /// All tries' answers fit into one header, whatever they are made of; the oldest go first.
    @Test func aHistoryFitsIntoAHeader() {
        let outcome = WebhookOutcome(
            kind: .status(500), status: 500, latency: .milliseconds(7), answer: [UInt8](repeating: 1, count: 1_024))
        var task = WebhookTask.sample()
        for index in 0..<150 {
            task = task.retrying(after: .zero, now: 0, record: TryRecord(outcome, time: Int64(index)))
        }
        let header = task.historyHeader(adding: nil)
        #expect(header.utf8.count <= 64 << 10)
        let records = TryRecord.parse(header: header)
        #expect(records.count == 100 && records.last?.time == 149)
        #expect(records.last?.answer.utf8.count == 1_024 && records.first?.answer == "")
        #expect(records.last?.status == 500 && records.last?.latencyMilliseconds == 7)
    }
}
