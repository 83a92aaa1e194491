import TestSupport
import Testing

@testable import ChatModel

@Suite struct FrameScannerTests {
    static func scan(_ text: String) -> ScanResult { Array(text.utf8).withUnsafeBytes { FrameScanner.scan($0) } }

    static func chunk(_ text: String) -> (ScannedChunk, (ByteRange) -> String)? {
        guard case .chunk(let chunk) = scan(text) else { return nil }
        let bytes = Array(text.utf8)
        return (chunk, { range in bytes.withUnsafeBytes { String(decoding: $0[range], as: UTF8.self) } })
    }

    @Test func openAIsChunk() throws {
        let (chunk, text) = try #require(
            Self.chunk(
                #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"gpt-4.1","system_fingerprint":"fp","service_tier":"default","choices":[{"index":0,"delta":{"role":"assistant","content":"안녕","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x1"}"#
            ))
        #expect(text(chunk.id) == "chatcmpl-1")
        #expect(text(chunk.created) == "17")
        #expect(text(chunk.model) == "gpt-4.1")
        #expect(text(chunk.systemFingerprint) == "fp")
        #expect(text(chunk.serviceTier) == "default")
        #expect(chunk.parts.first { $0.kind == .role }.map { text($0.value) } == "assistant")
        #expect(text(chunk.content) == "안녕")
        #expect(chunk.isJoinable && chunk.hasChoices && chunk.carriesOutput)
        #expect(chunk.parts.allSatisfy { !$0.hasEscapes } && chunk.finishReason.isEmpty && chunk.usage.isEmpty)
    }

    /// What a chunk is made of, in a word for each part.
    private static func parts(_ text: String) -> [String]? {
        guard let (chunk, read) = chunk(text) else { return nil }
        return chunk.parts.map { part in
            let key = part.key.isEmpty ? "" : " \(read(part.key))"
            return "\(part.choice) \(part.kind)\(key) \(read(part.value))" + (part.isWhole ? " whole" : "")
        }
    }

    @Test(arguments: [
        // llama.cpp: choices first, null content.
        (
            #"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"a","model":"m","object":"chat.completion.chunk"}"#,
            ["0 role assistant"]
        ),
        // vLLM: empty tool calls, unknown nulls.
        (
            #"{"id":"a","choices":[{"index":0,"delta":{"content":"x","tool_calls":[],"reasoning_content":null},"stop_reason":null}]}"#,
            ["0 content x", "0 choiceMember stop_reason null"]
        ),
        (#"{"choices":[{"delta":{"content":"x"}}]}"#, ["0 content x"]),
        (#"{ "choices" : [ { "index" : 0 , "delta" : { } } ] }"#, []),
        (#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, ["0 finish stop"]),
        (#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":""}]}"#, ["0 content x"]),
        (#"{"choices":[]}"#, []), (#"{"choices":[],"usage":{"a":1}}"#, []),
        (#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#, ["1 content x"]),
        (#"{"choices":[{"index":"1","delta":{"content":"x"}}]}"#, ["1 content x"]),
        (#"{"choices":[{"index":-1,"delta":{"content":"x"}}]}"#, ["0 content x"]),
        (#"{"choices":[{"index":99999999999,"delta":{"content":"x"}}]}"#, ["0 content x"]),
        (
            #"{"choices":[{"index":0,"delta":{"reasoning_content":"hm","refusal":"no"}}]}"#,
            ["0 member reasoning_content hm", "0 member refusal no"]
        ),
        (
            #"{"choices":[{"index":0,"delta":{"content":"x"}}],"provider":"P","x_groq":{"usage":{"a":1}}}"#,
            ["0 content x", #"0 chunkMember provider "P""#, #"0 chunkMember x_groq {"usage":{"a":1}}"#]
        ),
        (
            #"{"choices":[{"index":0,"delta":{"content":"x"}},{"index":1,"delta":{"content":"y"}}]}"#,
            ["0 content x", "1 content y"]
        ),
        (
            #"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"Y"},"es"]}}]}"#,
            ["0 thinking hm", "0 content Y", "0 content es"]
        ),
        (
            #"{"choices":[{"delta":{"tool_calls":[{"index":2,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}}]}"#,
            [
                #"0 call 2 {"index":2,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}"#,
                "0 callID a", "0 callType function", "0 callName f", "0 arguments {",
            ]
        ),
        (
            #"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"x":1}}}]}}]}"#,
            [#"0 call {"function":{"arguments":{"x":1}}}"#, #"0 argumentsObject {"x":1}"#]
        ),
        (#"{"choices":[{"delta":{"content":"a"},"message":{"content":"ab"}}]}"#, ["0 content a"]),
        (
            #"{"choices":[{"message":{"role":"assistant","content":"ab"},"finish_reason":"stop"}]}"#,
            ["0 finish stop", "0 role assistant whole", "0 content ab whole"]
        ),
        (
            #"{"choices":[{"delta":{"name":"n","speed":3,"audio":null,"annotations":[]}}]}"#,
            [#"0 deltaMember name "n""#, "0 deltaMember speed 3"]
        ),
        (#"{"id":7,"created":"1","model":null,"choices":null,"usage":[{"a":1}]}"#, []),
        // What cannot be read is passed over.
        (#"{"choices":[3,{"delta":3,"finish_reason":7}],"usage":7,"id":[1]}"#, []),
        (#"{"choices":[{"delta":{"content":7,"role":{},"tool_calls":"x"}}]}"#, []),
    ])
    func joinable(text: String, parts: [String]) throws {
        let (chunk, _) = try #require(Self.chunk(text))
        #expect(chunk.isJoinable)
        #expect(Self.parts(text) == parts.filter { !$0.hasSuffix(" null") })
    }

    @Test(arguments: [
        #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"extra_content":{"a":1}}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[1]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"reasoning_details":[{"text":"x"}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"audio":{"data":"x"}}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":[{"type":"reference","reference_ids":[1]}]}}]}"#,
    ])
    func opaque(text: String) throws {
        let (chunk, _) = try #require(Self.chunk(text))
        #expect(!chunk.isJoinable && chunk.carriesOutput)
    }

    @Test(arguments: [
        ("[DONE]", ScanResult.done), (" [DONE] ", .done), (#"{"error":{"message":"m"}}"#, .error),
        (#"{"type":"error","code":1}"#, .error), (#"{"error":"text"}"#, .error), (#"[{"error":{"code":429}}]"#, .error),
        (#"{"type":"error","status":429,"error":{}}"#, .error),
        (#"{"choices":[{"index":0,"delta":{},"error":{"code":502}}]}"#, .error),
        (#"{"a":1}"#, .other), ("{}", .other), ("[1]", .other), ("[]", .other), ("null", .other),
        (#"{"type":"ping"}"#, .other), ("3", .other), (#"{"error":null}"#, .other), (#"{"error":""}"#, .other),
        (#"{"error":{}}"#, .other), (#"{"usage":null}"#, .other), (#"{"usage":7}"#, .other),
        (#"{"choices":3}"#, .other), (#"{"choices":null}"#, .other),
    ])
    func otherKinds(text: String, result: ScanResult) { #expect(Self.scan(text) == result) }

    @Test(arguments: [
        (#"{"choices":[{"delta":{},"usage":{"a":1}}]}"#, #"{"a":1}"#),
        (#"{"choices":[],"x_groq":{"id":"x","usage":{"a":2}}}"#, #"{"a":2}"#),
        (#"{"choices":[],"usage":[{"a":3}]}"#, #"{"a":3}"#), (#"{"choices":[],"usage":{"a":4}}"#, #"{"a":4}"#),
        (#"{"choices":[],"usage":[]}"#, ""),
    ])
    func usageWhereverItStands(text: String, usage: String) throws {
        let (chunk, read) = try #require(Self.chunk(text))
        #expect(read(chunk.usage) == usage)
    }

    /// One choice was asked for: an index that counts up is no other choice.
    @Test(arguments: [(1, "0 content x"), (2, "3 content x")])
    func anIndexThatCountsUp(choices: Int, part: String) {
        var memory = FrameMemory(choiceCount: choices)
        let text = Array(#"{"choices":[{"index":3,"delta":{"content":"x"}}]}"#.utf8)
        let found = text.withUnsafeBytes { memory.scan($0) }
        #expect(found == .chunk)
        #expect(memory.chunk.parts.contains { "\($0.choice) \($0.kind) x" == part })
    }

    /// No JSON, or nothing that two readers would understand in the same way.
    @Test(arguments: [
        "", "{", "[DONE", "[DONE]x",
        #"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#,
        #"{"choices":[{"delta":{"content":"a"},"delta":{"tool_calls":[{}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"a"},"index":1}]}"#,
        #"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
        #"{"choices":[{"delta":{"c\u006fntent":"a"}}]}"#, #"{"choices":[{"d\u0065lta":{"content":"a"}}]}"#,
        #"{"choices":[{"delta":{"content":"a"},"inde\u0078":1}]}"#,
        #"{"choices":[],"c\u0068oices":[{"delta":{"content":"a"}}]}"#, #"{"choices":[],"choices":[]}"#,
        "{\"choices\":[{\"delta\":{\"content\":\"a\nb\"}}]}",
    ])
    func refused(text: String) {
        guard case .invalid = Self.scan(text) else {
            Issue.record("accepted: \(text)")
            return
        }
    }

    @Test func finishReasonsByChoice() throws {
        let (chunk, _) = try #require(
            Self.chunk(
                #"{"choices":[{"index":0,"finish_reason":"stop"},{"index":2,"finish_reason":"length"},{"index":99,"finish_reason":"x"}]}"#
            ))
        #expect(chunk.finishedChoices == 1 | 4 | (1 as UInt64) << 63)
    }

    @Test func everyTruncationIsInvalid() {
        let text = Array(
            #"{"id":"a","choices":[{"index":0,"delta":{"content":"\ud83d x"},"finish_reason":"stop"}],"usage":{"total_tokens":1.5e3}}"#
                .utf8)
        for count in 0..<text.count {
            let result = Array(text[..<count]).withUnsafeBytes { FrameScanner.scan($0) }
            guard case .invalid = result else {
                Issue.record("accepted a cut at \(count): \(result)")
                return
            }
        }
    }
}
