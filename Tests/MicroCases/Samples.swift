import ChatModel

/// The bytes that the cases work on.
enum Samples {
    /// A token as OpenAI sends it, 286 bytes.
    static let openAIChunk = Array(
        #"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4.1-2025-04-14","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" streaming"},"logprobs":null,"finish_reason":null}]}"#
            .utf8)

    static let koreanChunk = chunk(content: "스트리밍")

    static let longChunk = chunk(
        content: String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 46))

    /// - Parameter content: as it stands in JSON.
    private static func chunk(content: String) -> [UInt8] {
        Array(
            #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"content":"\#(content)"},"finish_reason":null}]}"#
                .utf8)
    }

    /// A server's text frame: final, not masked.
    static func webSocketFrame(_ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(payload.count)
        return [0x81, 126, UInt8(length >> 8), UInt8(length & 0xFF)] + payload
    }

    /// A chat job of exactly so many bytes: a system prompt, turns of some 700 bytes, a last question that fills up.
    static func job(size: Int) -> [UInt8] {
        let head = #"""
            {"model":"gpt-4.1","temperature":0.7,"max_tokens":512,"stream":true,\#
            "job":{"id":"order-20490131-000017","customer":"acme","reply_to":"chat.reply.acme",\#
            "webhook":"orders","metadata":{"order":17,"shop":"de"}},\#
            "messages":[{"role":"system","content":"You help the customers of a shop.\nBe brief and friendly."}
            """#
        let tail = #""}],"user":"customer-17"}"#
        let turn = String(repeating: #"It said \"out of stock\" yesterday.\nIs that so? 재고가 있나요? "#, count: 10)
        var text = head
        var asks = true
        while text.utf8.count + turn.utf8.count + tail.utf8.count + 100 < size {
            text += #",{"role":"\#(asks ? "user" : "assistant")","content":"\#(turn)"}"#
            asks.toggle()
        }
        text += #",{"role":"user","content":""#
        return Array(text.utf8) + Array(repeating: UInt8(ascii: "x"), count: size - text.utf8.count - tail.utf8.count)
            + Array(tail.utf8)
    }
}

/// A chunk of the gateway's and what the scanner finds in it.
struct ScannedSample {
    let bytes: [UInt8]
    let chunk: ScannedChunk

    /// The text of another chunk like it.
    var text: ScannedText {
        bytes.withUnsafeBytes { bytes in
            var memory = FrameMemory()
            _ = memory.scan(bytes)
            guard case .more(let text) = memory.scan(bytes) else { return ScannedText() }
            return text
        }
    }

    /// It, and another one with a member more.
    static func pair(_ message: [UInt8]) throws(BrokenSample) -> [ScannedSample] {
        [try ScannedSample(message), try ScannedSample(message.dropLast() + Array(#","x":1}"#.utf8))]
    }

    init(_ bytes: [UInt8]) throws(BrokenSample) {
        guard case .chunk(let chunk) = bytes.withUnsafeBytes(FrameScanner.scan), !chunk.content.isEmpty else {
            throw BrokenSample(description: "a sample is no chunk with text")
        }
        self.bytes = bytes
        self.chunk = chunk
    }
}
