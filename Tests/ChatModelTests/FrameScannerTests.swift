import ChatModel
import TestSupport
import Testing

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
        #expect(text(chunk.role) == "assistant")
        #expect(text(chunk.content) == "안녕")
        #expect(chunk.isPlain && chunk.hasChoices && chunk.carriesOutput)
        #expect(!chunk.contentHasEscapes && chunk.finishReason.isEmpty && chunk.usage.isEmpty)
    }

    @Test(arguments: [
        // llama.cpp: choices first, null content.
        #"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"a","model":"m","object":"chat.completion.chunk"}"#,
        // vLLM: empty tool calls, unknown nulls.
        #"{"id":"a","choices":[{"index":0,"delta":{"content":"x","tool_calls":[],"reasoning_content":null},"stop_reason":null}]}"#,
        #"{"choices":[{"delta":{"content":"x"}}]}"#, #"{ "choices" : [ { "index" : 0 , "delta" : { } } ] }"#,
        #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, #"{"choices":[]}"#,
        #"{"choices":[],"usage":{"a":1}}"#,
    ])
    func plain(text: String) throws {
        let (chunk, _) = try #require(Self.chunk(text))
        #expect(chunk.isPlain)
    }

    @Test(arguments: [
        #"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"refusal":"no"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}}],"x_groq":{"id":1}}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}},{"index":1,"delta":{"content":"y"}}]}"#,
    ])
    func opaque(text: String) throws {
        let (chunk, _) = try #require(Self.chunk(text))
        #expect(!chunk.isPlain)
        #expect(chunk.carriesOutput || text.contains("x_groq"))
    }

    @Test(arguments: [
        ("[DONE]", ScanResult.done), (" [DONE] ", .done), (#"{"error":{"message":"m"}}"#, .error),
        (#"{"type":"error","code":1}"#, .error),
        (#"{"type":"error","status":429,"error":{}}"#, .error), (#"{"a":1}"#, .other), ("{}", .other), ("[1]", .other),
        ("3", .other), (#"{"error":null}"#, .other), (#"{"usage":null}"#, .other),
        (#"{"object":"chat.completion","choices":[]}"#, .other),
    ])
    func otherKinds(text: String, result: ScanResult) { #expect(Self.scan(text) == result) }

    @Test(arguments: [
        "", "{", "[DONE", "[DONE]x", #"{"choices":3}"#, #"{"choices":[3]}"#, #"{"choices":[{"delta":3}]}"#,
        #"{"choices":[{"index":"0"}]}"#, #"{"choices":[{"index":-1}]}"#, #"{"choices":[{"index":99999999999}]}"#,
        #"{"choices":[{"delta":{"content":["x"]}}]}"#, #"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#,
        #"{"choices":[{"delta":{"content":"a"},"delta":{"tool_calls":[{}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"a"},"index":1}]}"#,
        #"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
        #"{"choices":[{"delta":{"c\u006fntent":"a"}}]}"#, #"{"choices":[{"d\u0065lta":{"content":"a"}}]}"#,
        #"{"choices":[{"delta":{"content":"a"},"inde\u0078":1}]}"#,
        #"{"choices":[],"c\u0068oices":[{"delta":{"content":"a"}}]}"#,
        #"{"id":"a","id":"b","choices":[]}"#, #"{"choices":[],"choices":[]}"#, #"{"id":7,"choices":[]}"#,
        #"{"usage":7}"#,
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
