import ChatModel
import TestSupport
import Testing

/// Feeds chunks, takes messages, and reads them as a consumer would.
final class AnswerHarness {
    var log = AnswerLog(defaults: .init(id: "fallback", model: "m", created: 5))
    var chunks: [JSONValue] = []
    var offsets: [Int] = []

    func feed(_ text: String) throws {
        let bytes = Array(text.utf8)
        try bytes.withUnsafeBytes { buffer in
            guard case .chunk(let chunk) = FrameScanner.scan(buffer) else { throw NotAChunk() }
            log.append(chunk, in: buffer)
        }
    }

    struct NotAChunk: Error {}

    func feed(raw content: String, index: Int = 0) throws {
        try feed(
            #"{"id":"c1","created":9,"model":"real","choices":[{"index":\#(index),"delta":{"content":"\#(content)"}}]}"#
        )
    }

    /// Takes one message; `false` where nothing waits.
    @discardableResult
    func take() throws -> Bool {
        let offset = log.decodedTextSent
        var body: [UInt8] = []
        guard log.takeChunk(into: &body) else { return false }
        offsets.append(offset)
        chunks.append(try JSONValue(parsing: body))
        return true
    }

    func takeAll() throws { while try take() {} }

    var hasPending: Bool { log.hasPending }
    var decodedTextSent: Int { log.decodedTextSent }
    var sha256: String { log.contentSHA256() }

    func text(of choice: Int = 0) -> String {
        chunks.reduce(into: "") { text, chunk in
            for part in chunk["choices"]?.arrayValue ?? [] where part["index"]?.integerValue ?? 0 == choice {
                text += part["delta"]?["content"]?.stringValue ?? ""
            }
        }
    }

    func completion() throws -> JSONValue {
        var body: [UInt8] = []
        log.appendCompletion(to: &body)
        return try JSONValue(parsing: body + [0x7D])
    }
}

@Suite struct AnswerLogTests {
    @Test func joinsWhatWaits() throws {
        let answer = AnswerHarness()
        try answer.feed(
            #"{"id":"c1","created":9,"model":"real","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#
        )
        #expect(!answer.hasPending, "a role alone is no message")
        for piece in ["Hello", ", ", "wor"] { try answer.feed(raw: piece) }
        try answer.takeAll()
        try answer.feed(raw: "ld")
        try answer.feed(#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
        answer.log.end()
        try answer.takeAll()
        #expect(answer.chunks.count == 2)
        #expect(answer.text() == "Hello, world")
        #expect(answer.offsets == [0, 10])
        #expect(
            String(decoding: answer.chunks[0].serialized(), as: UTF8.self)
                == #"{"id":"c1","object":"chat.completion.chunk","created":9,"model":"real","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello, wor"},"finish_reason":null}]}"#
        )
        #expect(answer.chunks[1]["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue == "stop")
        let result = try answer.completion().serialized()
        #expect(
            String(decoding: result, as: UTF8.self)
                == #"{"id":"c1","object":"chat.completion","created":9,"model":"real","choices":[{"index":0,"message":{"role":"assistant","content":"Hello, world"},"finish_reason":"stop"}]}"#
        )
    }

    @Test func theModelThatAnsweredIsNamed() throws {
        let answer = AnswerHarness()
        #expect(answer.log.modelName == nil)
        try answer.feed(raw: "x")
        #expect(answer.log.modelName == "real")
    }

    @Test func aFinishAloneIsAMessage() throws {
        let answer = AnswerHarness()
        try answer.feed(raw: "x")
        try answer.takeAll()
        try answer.feed(#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#)
        #expect(!answer.hasPending, "it may be withdrawn")
        answer.log.end()
        #expect(answer.hasPending)
        try answer.takeAll()
        #expect(answer.chunks.count == 2)
        #expect(answer.chunks[1]["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue == "length")
        #expect(!answer.hasPending)
    }

    @Test func aBrokenAnswerHasNoFinish() throws {
        let answer = AnswerHarness()
        try answer.feed(#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#)
        answer.log.end(isComplete: false)
        try answer.takeAll()
        #expect(answer.chunks.map { $0["choices"]?.arrayValue?.first?["finish_reason"] } == [.null])
    }

    /// What the scanner lets through is in the final text, also where keys nobody looks at stand twice.
    @Test(arguments: [
        #"{"choices":[{"delta":{"content":"B"},"logprobs":{"a":1,"a":2}}]}"#,
        #"{"x":1,"x":2,"choices":[{"delta":{"content":"B"}}]}"#,
        #"{"x":1,"choices":[{"delta":{"content":"B","content":null}}]}"#,
        #"{"choices":[{"delta":{"content":"B"},"message":{"content":"C"}}]}"#,
        #"{"x":1,"choices":[{"delta":{"content":"B"}},{"finish_reason":"stop"}]}"#,
    ])
    func sloppyChunksLoseNothing(chunk: String) throws {
        let answer = AnswerHarness()
        try answer.feed(raw: "A")
        try answer.feed(chunk)
        var taken: [UInt8] = []
        while answer.log.takeChunk(into: &taken) {}
        let message = try #require(try answer.completion()["choices"]?.arrayValue?.first?["message"])
        #expect(message["content"]?.stringValue == "AB")
        #expect(answer.decodedTextSent == 2)
        let plain = AnswerHarness()
        try plain.feed(raw: "AB")
        #expect(answer.sha256 == plain.sha256)
    }

    @Test func metadataFallsBack() throws {
        let answer = AnswerHarness()
        try answer.feed(#"{"choices":[{"delta":{"content":"x"}}]}"#)
        try answer.takeAll()
        #expect(answer.chunks[0]["id"]?.stringValue == "fallback")
        #expect(answer.chunks[0]["created"]?.integerValue == 5)
        #expect(answer.chunks[0]["model"]?.stringValue == "m")
    }

    @Test func opaqueChunksPassAsTheyCameInOrder() throws {
        let audio = #"{"id":"c1","choices":[{"index":0,"delta":{"audio":{"data":"x"}}}],"weird" : 1.0}"#
        let details =
            #"{"id":"c1","choices":[{"index":0,"delta":{"reasoning_details":[{"index":0,"text":"hm"}],"content":"B"}}]}"#
        let answer = AnswerHarness()
        try answer.feed(raw: "A")
        try answer.feed(audio)
        try answer.feed(details)
        try answer.feed(raw: "C")
        try answer.feed(raw: "D")
        try answer.takeAll()
        #expect(answer.chunks.count == 4)
        let sent = try [audio, details].map { try JSONValue(parsing: $0.utf8) }
        #expect(Array(answer.chunks[1...2]) == sent)
        #expect(answer.text() == "ABCD")
        #expect(answer.offsets == [0, 1, 1, 2])
        answer.log.rewind()
        answer.chunks = []
        answer.offsets = []
        try answer.takeAll()
        #expect(answer.text() == "ABCD")
        #expect(answer.chunks.count == 4)
    }

    /// What a reader is told in a chunk that travels as it came must hold: a finish reason may be withdrawn.
    @Test func anOpaqueChunkEndsNothing() throws {
        let answer = AnswerHarness()
        let logprobs = #""logprobs":{"content":[{"token":"a"}]}"#
        for text in ["a", "b"] {
            try answer.feed(
                #"{"choices":[{"index":0,"delta":{"content":"\#(text)"},\#(logprobs),"finish_reason":"stop"}]}"#)
        }
        answer.log.end()
        try answer.takeAll()
        let reasons = answer.chunks.map { $0["choices"]?.arrayValue?.first?["finish_reason"] }
        #expect(reasons == [.null, .null, .string("stop")])
        let choice = try #require(try answer.completion()["choices"]?.arrayValue?.first)
        #expect(choice["message"]?["content"]?.stringValue == "ab")
        #expect(choice["logprobs"]?["content"]?.arrayValue?.count == 2, "lists of log probabilities grow")
    }

    @Test func toolCallsAndChoicesAreAccumulated() throws {
        let answer = AnswerHarness()
        for text in [
            #"{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"sum","arguments":""}}]}}]}"#,
            #"{"choices":[{"index":1,"delta":{"content":"se"}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
            #"{"choices":[{"index":1,"delta":{"content":"cond"},"finish_reason":"stop"}]}"#,
            #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        ] { try answer.feed(text) }
        let choices = try #require(try answer.completion()["choices"]?.arrayValue)
        #expect(choices.count == 2)
        let calls = try #require(choices[0]["message"]?["tool_calls"]?.arrayValue)
        #expect(calls[0]["id"]?.stringValue == "call_1")
        #expect(calls[0]["function"]?["arguments"]?.stringValue == #"{"a":1}"#)
        #expect(calls[1]["function"]?["name"]?.stringValue == "f")
        #expect(calls[1]["index"] == nil)
        #expect(choices[0]["finish_reason"]?.stringValue == "tool_calls")
        #expect(choices[0]["message"]?["content"] == .null)
        #expect(choices[1]["message"]?["content"]?.stringValue == "second")
        #expect(choices[1]["finish_reason"]?.stringValue == "stop")
    }

    @Test func textAfterTheFinishIsNotLost() throws {
        let answer = AnswerHarness()
        try answer.feed(#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#)
        try answer.feed(raw: "b")
        try answer.takeAll()
        #expect(answer.text() == "ab")
        let joined = try answer.completion()
        #expect(joined["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue == "ab")
    }

    @Test(arguments: [
        (["\\ud83d", "\\ude00"], "😀", 1), (["a\\uD83D", "\\uDE00b"], "a😀b", 2), (["\\ud83d", "x"], "\u{FFFD}x", 1),
        (["\\ude00"], "\u{FFFD}", 1), (["\\ud83d"], "\u{FFFD}", 0),
        (["\\ud83d", "\\ud83d", "\\ude00"], "\u{FFFD}😀", 2),
        (["\\ud83d", "", "\\ude00"], "😀", 1), (["\\ud83d\\n"], "\u{FFFD}\n", 1), (["\\\\ud83d"], "\\ud83d", 1),
    ])
    func surrogateHalves(pieces: [String], text: String, messagesBeforeEnd: Int) throws {
        let answer = AnswerHarness()
        for piece in pieces {
            try answer.feed(raw: piece)
            try answer.takeAll()
        }
        #expect(answer.chunks.count == messagesBeforeEnd, "half a pair is held back")
        answer.log.end()
        try answer.takeAll()
        #expect(answer.text() == text)
        #expect(answer.decodedTextSent == text.utf8.count)
        let joined = try answer.completion()
        #expect(joined["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue == text)
    }

    @Test func hashOfNothingAndOfText() throws {
        let answer = AnswerHarness()
        // FIPS 180-4 examples: the empty string, and "abc".
        #expect(answer.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        try answer.feed(raw: "a\\u0062")
        try answer.feed(#"{"choices":[{"index":0,"delta":{"reasoning":"r","content":"c"}}]}"#)
        #expect(answer.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    /// Random text, random escapes, random cuts between chunks, random stalls, random resets: what a reader joins is
    /// the text, and offsets and hash are right.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func randomRoundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("ab \"\\/\n\t한국é😀👩‍👩‍👧𠜎\u{0}\u{7F}\u{2028}".unicodeScalars)
        let answer = AnswerHarness()
        var expected = ""
        for _ in 0..<200 {
            var raw = ""
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let scalar = alphabet.randomElement(using: &random) ?? "a"
                expected.unicodeScalars.append(scalar)
                raw += Self.escaped(scalar, &random)
            }
            // Cut anywhere but inside an escape; a surrogate pair may be cut in two.
            for piece in Self.cut(raw, &random) {
                if Bool.random(using: &random) {
                    try answer.feed(raw: piece)
                } else {
                    try answer.feed(#"{"choices":[{"delta":{"content":"\#(piece)"},"index":0}],"id":"c1"}"#)
                }
                if Int.random(in: 0..<3, using: &random) == 0 { try answer.takeAll() }
            }
            if Int.random(in: 0..<60, using: &random) == 0 {
                answer.log.rewind()
                answer.chunks = []
                answer.offsets = []
            }
        }
        answer.log.end()
        try answer.takeAll()
        #expect(Array(answer.text().utf8) == Array(expected.utf8))
        var offset = 0
        for (chunk, stated) in zip(answer.chunks, answer.offsets) {
            #expect(stated == offset)
            offset += chunk["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue?.utf8.count ?? 0
        }
        let final = try answer.completion()["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
        #expect(final.map { Array($0.utf8) } == Array(expected.utf8))
        let direct = AnswerHarness()
        var quoted: [UInt8] = []
        JSONText.appendQuoted(expected.utf8, to: &quoted)
        try direct.feed(raw: String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self))
        #expect(answer.sha256 == direct.sha256)
    }

    private static func escaped(_ scalar: Unicode.Scalar, _ random: inout SeededGenerator) -> String {
        let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
        guard mustEscape || Bool.random(using: &random) else { return String(scalar) }
        return String(scalar).utf16.map { unit in
            let digits = String(unit, radix: 16, uppercase: Bool.random(using: &random))
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }

    /// Pieces of a raw string, never cutting inside an escape or a scalar.
    private static func cut(_ raw: String, _ random: inout SeededGenerator) -> [String] {
        var units: [String] = []
        var scalars = raw.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            guard scalar == "\\" else {
                units.append(String(scalar))
                continue
            }
            units.append("\\" + (0..<5).compactMap { _ in scalars.next().map(String.init) }.joined())
        }
        var pieces = [""]
        for unit in units {
            if Bool.random(using: &random) { pieces.append("") }
            pieces[pieces.count - 1] += unit
        }
        return pieces
    }
}
