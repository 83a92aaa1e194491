import ChatModel
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Gateway

/// Parameters that a model refuses: they are left out, or called by their other name, once and then for every request.
@Suite(.timeLimit(.minutes(1))) struct ParameterRefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var text: String
        var shape: RequestShape?
        var isForAnyValue = true
        var testDescription: String { name }
    }

    static let renamed = RequestShape(limitName: .maximumCompletionTokens)
    static let openAI =
        #"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#
    static let temperature =
        #"{"error":{"message":"Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#

    static let cases: [Case] = [
        Case(name: "OpenAI", text: openAI, shape: renamed),
        Case(
            name: "without words but the sentence",
            text:
                #"{"error":{"message":"'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error"}}"#,
            shape: renamed),
        Case(
            name: "the other way",
            text:
                #"{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens","type":"invalid_request_error","param":null,"code":null}}"#,
            shape: RequestShape(limitName: .maximumTokens)),
        Case(name: "OpenAI's temperature", text: temperature, shape: RequestShape(dropped: ["temperature"])),
        Case(
            name: "a value",
            text:
                #"{"error":{"message":"Unsupported value: 'temperature' does not support 1.7 with this model.","param":"temperature","code":"unsupported_value"}}"#,
            shape: RequestShape(dropped: ["temperature"]), isForAnyValue: false),
        Case(
            name: "Azure of old",
            text:
                #"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error","param":null,"code":null}}"#,
            shape: RequestShape(dropped: ["stream_options"])),
        Case(
            name: "xAI",
            text:
                #"{"code":"Client specified an invalid argument","error":"Argument not supported on this model: presencePenalty"}"#,
            shape: RequestShape(dropped: ["presence_penalty"])),
        Case(
            name: "LiteLLM",
            text:
                #"{"error":{"message":"litellm.UnsupportedParamsError: openai does not support parameters: ['temperature', 'top_p'], for model=o1","type":null,"code":"400"}}"#,
            shape: RequestShape(dropped: ["temperature", "top_p"])),
        Case(
            name: "Mistral",
            text:
                #"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{}}]},"type":"invalid_request_error"}"#,
            shape: RequestShape(dropped: ["stream_options"])),
        Case(
            name: "FastAPI", text: #"{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"x"}]}"#,
            shape: RequestShape(dropped: ["seed"])),
        Case(
            name: "Google",
            text:
                #"{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"frequency_penalty\": Cannot find field.","status":"INVALID_ARGUMENT"}}"#,
            shape: RequestShape(dropped: ["frequency_penalty"])),
        Case(
            name: "Anthropic's two",
            text:
                #"{"error":{"message":"`temperature` and `top_p` cannot both be specified for this model. Please use only one.","type":"invalid_request_error"}}"#,
            shape: RequestShape(dropped: ["top_p"]), isForAnyValue: false),
        Case(
            name: "Groq",
            text: #"{"error":{"message":"property 'logprobs' is unsupported","type":"invalid_request_error"}}"#,
            shape: RequestShape(dropped: ["logprobs"])),
        Case(
            name: "Moonshot",
            text:
                #"{"error":{"message":"invalid temperature: only 1 is allowed for this model","type":"invalid_request_error"}}"#,
            shape: RequestShape(dropped: ["temperature"])),
        Case(
            name: "Anthropic's thinking",
            text:
                #"{"error":{"message":"`temperature` may only be set to 1 when thinking is enabled.","type":"invalid_request_error"}}"#,
            shape: RequestShape(dropped: ["temperature"]), isForAnyValue: false),
        Case(
            name: "Bedrock",
            text:
                #"{"message":"Malformed input request: #: extraneous key [seed] is not permitted, please reformat."}"#,
            shape: RequestShape(dropped: ["seed"])),
        Case(
            name: "tools are not left out",
            text:
                #"{"error":{"message":"Unsupported parameter: 'tools'","param":"tools","code":"unsupported_parameter"}}"#
        ),
        Case(
            name: "nor is what a sentence mentions besides",
            text:
                #"{"error":{"message":"tools are not supported with temperature","param":"tools","code":"unsupported_parameter"}}"#
        ),
        Case(
            name: "stop is not left out",
            text:
                #"{"error":{"message":"Unsupported parameter: 'stop' is not supported with this model.","param":"stop","code":"unsupported_parameter"}}"#
        ),
        Case(
            name: "a wrong value",
            text:
                #"{"error":{"message":"Invalid 'temperature': decimal above maximum value.","param":"temperature","code":"decimal_above_max_value"}}"#
        ),
        Case(
            name: "a limit that is too large",
            text:
                #"{"error":{"message":"max_tokens is too large: 100000. This model supports at most 16384 completion tokens.","param":"max_tokens","code":null}}"#
        ),
        Case(
            name: "a member of a member",
            text: #"{"detail":[{"type":"extra_forbidden","loc":["body","messages",0,"seed"]}]}"#),
        Case(name: "words within words", text: #"{"error":{"message":"my_temperature is not supported"}}"#),
        Case(name: "nothing", text: "{}"), Case(name: "no object", text: #"{"detail":7,"message":[],"error":[]}"#),
    ]

    @Test(arguments: cases) func isUnderstood(_ example: Case) {
        let error = Array(example.text.utf8).withUnsafeBytes { UpstreamError($0, hiding: "sk-x", now: 0) }
        #expect(error.refusedParameters?.shape == example.shape)
        #expect(error.refusedParameters.map(\.isForAnyValue) ?? true == example.isForAnyValue)
    }

    @Test func onlyBadRequestsAreRepaired() {
        var details = UpstreamError()
        details.refusedParameters = ParameterRefusal(
            words: ["unsupported_parameter"], param: "seed", message: nil, document: .null)
        for (status, isRepaired) in [(400, true), (422, true), (nil, true), (403, false), (429, false), (500, false)] {
            let failure = GatewayFailure.refused(.request, status: status, details)
            #expect((failure.refusedParameters != nil) == isRepaired, "\(status ?? 0)")
        }
    }

    @Test func memoryIsBoundedAndForgets() {
        let start = NIODeadline.uptimeNanoseconds(1)
        var learned = LearnedShapes()
        let isNews = learned.learn(Self.renamed, of: "m", now: start)
        let isKnown = learned.learn(Self.renamed, of: "m", now: start)
        let isMore = learned.learn(RequestShape(dropped: ["seed"]), of: "m", now: start)
        #expect(isNews && !isKnown && isMore)
        #expect(
            learned.shape(for: "m", now: start) == RequestShape(limitName: .maximumCompletionTokens, dropped: ["seed"]))
        #expect(learned.shape(for: "other", now: start) == nil)
        #expect(learned.shape(for: "m", now: start + LearnedShapes.lifetime) == nil)
        for number in 0..<2_000 {
            _ = learned.learn(Self.renamed, of: "m\(number)", now: start + .seconds(Int64(number)))
        }
        #expect(learned.count <= LearnedShapes.mostModels)
        #expect(learned.shape(for: "m1999", now: start + .seconds(2_000)) == Self.renamed)
    }

    // MARK: Over sockets

    private final class Seen: Sendable {
        let requests = Mutex<[String]>([])
        func add(_ request: String) { requests.withLock { $0.append(request) } }
        var all: [String] { requests.withLock { $0 } }
    }

    /// Refuses like a reasoning model: one parameter at a time.
    private static func serve(
        _ peer: TestPeer, _ seen: Seen, refusal: @escaping @Sendable (String) -> String?
    ) async throws {
        if peer.transport == .websocket { try await peer.upgrade() }
        var count = 0
        while let request = try? await peer.readRequest() {
            seen.add(request)
            if let text = refusal(request) {
                if peer.transport == .websocket {
                    try await peer.send(text)
                } else {
                    try await peer.send(
                        Array(
                            "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
                                .utf8))
                    try await peer.endAnswer()
                }
                continue
            }
            count += 1
            let id = "c\(peer.number)-\(count)"
            try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
        }
    }

    static func reasoning(_ request: String) -> String? {
        request.contains("\"max_tokens\"") ? openAI : request.contains("\"temperature\"") ? temperature : nil
    }

    @Test(arguments: TestTransport.allCases) func aRequestIsRepaired(_ transport: TestTransport) async throws {
        let seen = Seen()
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer, seen, refusal: Self.reasoning)
        } body: { gateway in
            let client = try gateway.client()
            let body = #"{"model":"m", "max_tokens":5,"temperature":0.30,"x":"\u0041"}"#
            for _ in 0..<2 {
                let (text, end) = try await client.start(body: body).result()
                #expect(text == "hi" && end == .complete)
            }
            #expect(client.metrics.failuresByCode.isEmpty)
            // Another model is asked as the job says.
            _ = try await client.start("other", body: body).result()
            await client.shutdown()
        }
        let repaired = #"{"model":"m","max_completion_tokens":5,"x":"\u0041"}"#
        let half = #"{"model":"m","max_completion_tokens":5,"temperature":0.30,"x":"\u0041"}"#
        let whole = #"{"model":"m", "max_tokens":5,"temperature":0.30,"x":"\u0041"}"#
        #expect(seen.all == [whole, half, repaired, repaired, whole, half, repaired])
    }

    /// What cannot be left out, what is refused under both names, and what is not there at all, fails as ever.
    @Test(arguments: TestTransport.allCases, [("tools", 1), ("both", 2), ("absent", 1)])
    func whatCannotBeRepairedFails(_ transport: TestTransport, _ kind: (name: String, requests: Int)) async throws {
        let seen = Seen()
        let body = kind.name == "absent" ? #"{"model":"m"}"# : #"{"max_tokens":5,"tools":[]}"#
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer, seen) { request in
                let name =
                    kind.name == "tools"
                    ? "tools" : request.contains("max_tokens") ? "max_tokens" : "max_completion_tokens"
                return
                    #"{"error":{"message":"Unsupported parameter: '\#(name)'","type":"invalid_request_error","param":"\#(name)","code":"unsupported_parameter"}}"#
            }
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start(body: body).failure()
            #expect(failure?.code == "gateway_bad_request" && failure?.upstreamCode == "unsupported_parameter")
            await client.shutdown()
        }
        #expect(seen.all.count == kind.requests)
    }

    /// Nothing is remembered of a request that was not answered after all, nor of a value that somebody chose.
    @Test func onlyWhatHelpsIsRemembered() async throws {
        let seen = Seen()
        try await TestGateway.run(over: .http1) { peer in
            try await Self.serve(peer, seen) { request in
                if request.contains("\"temperature\"") {
                    return
                        #"{"error":{"message":"Unsupported value: 'temperature' does not support 1.7","param":"temperature","code":"unsupported_value"}}"#
                }
                if request.contains("\"seed\"") {
                    return #"{"error":{"message":"x","param":"seed","code":"unsupported_parameter"}}"#
                }
                return request.contains("wrong")
                    ? #"{"error":{"message":"wrong","type":"invalid_request_error"}}"# : nil
            }
        } body: { gateway in
            let client = try gateway.client()
            for body in [#"{"temperature":1.7}"#, #"{"temperature":1.7}"#, #"{"seed":1,"wrong":1}"#, #"{"seed":1}"#] {
                _ = try await client.start(body: body).result()
            }
            _ = try await client.start(body: #"{"seed":1}"#).result()
            await client.shutdown()
        }
        #expect(
            seen.all == [
                #"{"temperature":1.7}"#, "{}", #"{"temperature":1.7}"#, "{}", #"{"seed":1,"wrong":1}"#, #"{"wrong":1}"#,
                #"{"seed":1}"#, "{}", "{}",
            ])
    }

    /// What the configuration says of a model is sent at once.
    @Test func aShapeIsSent() async throws {
        let seen = Seen()
        try await TestGateway.run { peer in
            try await Self.serve(peer, seen, refusal: Self.reasoning)
        } body: { gateway in
            let client = try gateway.client()
            let extra = try JSONValue(parsing: #"{"effort":"low"}"#.utf8)
            let shape = RequestShape(
                limitName: .maximumCompletionTokens, dropped: ["temperature"],
                extra: ExtraMembers(extra) ?? ExtraMembers())
            let (text, end) = try await client.start(body: #"{"max_tokens":5,"temperature":0}"#) { $0.shape = shape }
                .result()
            #expect(text == "hi" && end == .complete)
            await client.shutdown()
        }
        #expect(seen.all == [#"{"max_completion_tokens":5,"effort":"low"}"#])
    }

    /// A model that thinks long is waited for, whatever the gateway's other models need; and the other way round.
    @Test(arguments: TestTransport.allCases) func aModelsOwnPatience(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            if transport == .websocket { try await peer.upgrade() }
            _ = try await peer.readRequest()
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client { $0.firstChunkTimeout = .seconds(60) }
            let failure = try await client.start { $0.firstChunkTimeout = .milliseconds(200) }.failure()
            #expect(failure?.code == "gateway_first_chunk_timeout")
            await client.shutdown()
        }
    }
}
