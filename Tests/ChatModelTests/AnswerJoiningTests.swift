import ChatModel
import TestSupport
import Testing

/// What is joined beside the plain text of one choice, and what stands beside it.
@Suite struct AnswerJoiningTests {
    /// Feeds all, takes once, ends, takes the rest; the chunks as JSON texts.
    private static func chunks(_ frames: [String], ends: Bool = true) throws -> [String] {
        let answer = AnswerHarness()
        for frame in frames { try answer.feed(frame) }
        if ends { answer.log.end() }
        try answer.takeAll()
        return answer.chunks.map { String(decoding: $0.serialized(), as: UTF8.self) }
    }

    private static func completion(_ frames: [String]) throws -> JSONValue {
        let answer = AnswerHarness()
        for frame in frames { try answer.feed(frame) }
        answer.log.end()
        return try answer.completion()
    }

    private static func choice(_ delta: String, _ more: String = "", index: Int = 0) -> String {
        #"{"index":\#(index),"delta":{\#(delta)}\#(more)}"#
    }

    private static func frame(_ choices: String..., top: String = "") -> String {
        #"{"id":"c","created":1,"model":"m","choices":[\#(choices.joined(separator: ","))]\#(top)}"#
    }

    private static let head = #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m""#

    @Test func stringsAreJoinedByChoiceAndPath() throws {
        let chunks = try Self.chunks([
            Self.frame(Self.choice(#""reasoning_content":"h""#)),
            Self.frame(Self.choice(#""reasoning_content":"m","content":"A""#)),
            Self.frame(Self.choice(#""content":"x""#, index: 1)),
            Self.frame(Self.choice(#""content":"B""#), Self.choice(#""content":"y""#, index: 1)),
        ])
        #expect(
            chunks == [
                Self.head
                    + #","choices":[{"index":0,"delta":{"content":"AB","reasoning_content":"hm"},"finish_reason":null},"#
                    + #"{"index":1,"delta":{"content":"xy"},"finish_reason":null}]}"#
            ])
    }

    @Test func theLatestOfWhatStandsBesideIsTold() throws {
        let answer = AnswerHarness()
        try answer.feed(Self.frame(Self.choice(#""content":"a""#, #","x":1"#), top: #","p":"one","usage":{"t":1}"#))
        try answer.feed(Self.frame(Self.choice(#""content":"b""#, #","x":2"#), top: #","p":"two","usage":{"t":2}"#))
        try answer.takeAll()
        try answer.feed(Self.frame(Self.choice(#""content":"c""#)))
        try answer.takeAll()
        #expect(
            answer.chunks.map { String(decoding: $0.serialized(), as: UTF8.self) } == [
                Self.head
                    + #","p":"two","usage":{"t":2},"choices":[{"index":0,"delta":{"content":"ab"},"finish_reason":null,"x":2}]}"#,
                Self.head + #","choices":[{"index":0,"delta":{"content":"c"},"finish_reason":null}]}"#,
            ])
        answer.log.end()
        let completion = try answer.completion()
        #expect(completion["p"]?.stringValue == "two", "never concatenated")
        #expect(completion["choices"]?.arrayValue?.first?["x"]?.integerValue == 2)
    }

    @Test func aRepeatedSurroundingIsToldAgain() throws {
        var log = AnswerLog(defaults: .init(id: "i", model: "m", created: 1))
        var memory = FrameMemory()
        var told: [Bool] = []
        for text in ["a", "b", "c"] {
            let bytes = Array(Self.frame(Self.choice(#""content":"\#(text)""#), top: #","p":"one""#).utf8)
            bytes.withUnsafeBytes { bytes in
                if case .more(let text) = memory.scan(bytes) {
                    log.append(text, in: bytes)
                } else {
                    log.append(memory.chunk, in: bytes)
                }
            }
            var output: [UInt8] = []
            let hasTaken = log.takeChunk(into: &output)
            #expect(hasTaken)
            told.append(try JSONValue(parsing: output)["p"] != nil)
        }
        #expect(told == [true, true, true])
    }

    @Test func metadataComeFromTheFirstChunkThatHasThem() throws {
        let azure = #"{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[1]}"#
        let completion = try Self.completion([
            azure, #"{"id":"r","created":"17.9","model":"m","choices":[{"index":0,"delta":{"content":"w"}}]}"#,
            #"{"id":"s","created":18,"model":"n","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ])
        #expect(completion["id"]?.stringValue == "r")
        #expect(completion["created"]?.integerValue == 17)
        #expect(completion["model"]?.stringValue == "m")
        #expect(completion["prompt_filter_results"] == .array([.number("1")]))
    }

    // MARK: Tool calls

    private static func call(_ members: String) -> String {
        frame(choice(#""tool_calls":[{\#(members)}]"#))
    }

    @Test(arguments: [
        // OpenAI's.
        (
            [
                #""index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}"#,
                #""index":0,"function":{"arguments":"{\"x\""}"#, #""index":1,"id":"b","function":{"name":"g"}"#,
                #""index":0,"function":{"arguments":":1}"}"#, #""index":1,"function":{"arguments":"{}"}"#,
            ], ["a f {\"x\":1}", "b g {}"]
        ),
        // One index for all.
        (
            [
                #""index":0,"id":"a","function":{"name":"f","arguments":"{}"}"#,
                #""index":0,"id":"b","function":{"name":"f","arguments":"{}"}"#,
            ], ["a f {}", "b f {}"]
        ),
        // No index, and one call at a time.
        (
            [
                #""id":"a","function":{"name":"f","arguments":"{"}"#, #""function":{"arguments":"}"}"#,
                #""id":"b","function":{"name":"g","arguments":"{}"}"#,
            ], ["a f {}", "b g {}"]
        ),
        // Neither index nor id: a name after arguments that are whole begins another.
        (
            [
                #""function":{"name":"f","arguments":"{\"x\":1}"}"#,
                #""function":{"name":"f","arguments":"{\"x\":2}"}"#,
            ], [" f {\"x\":1}", " f {\"x\":2}"]
        ),
        // Id and name in every fragment.
        (
            [
                #""index":0,"id":"a","function":{"name":"f","arguments":"{\"x"}"#,
                #""index":0,"id":"a","function":{"name":"f","arguments":"\":1}"}"#,
            ], ["a f {\"x\":1}"]
        ),
        // Another id in every fragment, and a name in the first.
        (
            [
                #""index":0,"id":"a","function":{"name":"f","arguments":"{"}"#,
                #""index":0,"id":"b","function":{"arguments":"}"}"#,
            ], ["a f {}"]
        ),
        // Arguments that are JSON and no string.
        ([#""index":0,"id":"a","function":{"name":"f","arguments":{"x":"\"1"}}"#], [#"a f {"x":"\"1"}"#]),
    ])
    func toolCallsAreToldApart(fragments: [String], calls: [String]) throws {
        let frames = fragments.map(Self.call)
        #expect(try Self.calls(Self.completion(frames)) == calls)
        // What readers join is the same, whether it came in one message or in many.
        for takesEach in [false, true] {
            let answer = AnswerHarness()
            for frame in frames {
                try answer.feed(frame)
                if takesEach { try answer.takeAll() }
            }
            answer.log.end()
            try answer.takeAll()
            #expect(Self.joined(answer.chunks) == calls)
        }
    }

    /// The same with members that cannot be joined.
    @Test func unknownMembersOfACallTravel() throws {
        let frames = [
            Self.call(#""index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"s":1}"#),
            Self.call(#""index":0,"id":"b","function":{"name":"g","arguments":"{}"},"extra_content":{"s":2}"#),
        ]
        let answer = AnswerHarness()
        for frame in frames { try answer.feed(frame) }
        try answer.takeAll()
        #expect(answer.chunks.count == 2)
        #expect(Self.joined(answer.chunks) == ["a f {}", "b g {}"], "each has an index of its own")
        let calls = try answer.completion()["choices"]?.arrayValue?.first?["message"]?["tool_calls"]?.arrayValue
        #expect(calls?.map { $0["extra_content"]?["s"]?.integerValue } == [1, 2])
    }

    private static func calls(_ completion: JSONValue) -> [String] {
        let calls = completion["choices"]?.arrayValue?.first?["message"]?["tool_calls"]?.arrayValue ?? []
        return calls.map { call in
            let function = call["function"]
            return [call["id"], function?["name"], function?["arguments"]].map { $0?.stringValue ?? "" }
                .joined(separator: " ")
        }
    }

    /// As OpenAI's SDKs do it: by index, strings appended.
    private static func joined(_ chunks: [JSONValue]) -> [String] {
        var calls: [Int: [String]] = [:]
        for chunk in chunks {
            for call in chunk["choices"]?.arrayValue?.first?["delta"]?["tool_calls"]?.arrayValue ?? [] {
                let index = call["index"]?.integerValue ?? -1
                var parts = calls[index] ?? ["", "", ""]
                parts[0] += call["id"]?.stringValue ?? ""
                parts[1] += call["function"]?["name"]?.stringValue ?? ""
                let arguments = call["function"]?["arguments"]
                parts[2] += arguments?.stringValue ?? String(decoding: arguments?.serialized() ?? [], as: UTF8.self)
                calls[index] = parts
            }
        }
        return calls.sorted { $0.key < $1.key }.map { $0.value.joined(separator: " ") }
    }

    // MARK: Lists

    @Test func contentAsPartsIsText() throws {
        let frames = [
            Self.frame(Self.choice(#""content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]"#)),
            Self.frame(Self.choice(#""content":[{"type":"text","text":"Y"}]"#)),
            Self.frame(Self.choice(#""content":"es.""#, #","finish_reason":"stop""#)),
        ]
        let message = try Self.completion(frames)["choices"]?.arrayValue?.first?["message"]
        #expect(message?["content"]?.stringValue == "Yes.")
        #expect(message?["reasoning_content"]?.stringValue == "hm")
    }

    @Test func detailsAreMergedByIndex() throws {
        let frames = [
            #"{"type":"reasoning.text","text":"a","format":"f","index":0}"#,
            #"{"type":"reasoning.text","text":"b","index":0}"#,
            #"{"type":"reasoning.text","signature":"s","index":0}"#,
            #"{"type":"reasoning.encrypted","data":"d","index":1}"#,
        ].map { Self.frame(Self.choice(#""reasoning_details":[\#($0)]"#)) }
        let details = try Self.completion(frames)["choices"]?.arrayValue?.first?["message"]?["reasoning_details"]
        #expect(
            details.map { String(decoding: $0.serialized(), as: UTF8.self) }
                == #"[{"type":"reasoning.text","text":"ab","format":"f","index":0,"signature":"s"},{"type":"reasoning.encrypted","data":"d","index":1}]"#
        )
    }

    // MARK: Whole answers

    @Test(arguments: [
        (["one ", "two "], "one two three", "one two three"), (["one ", "two "], "three", "one two three"),
        (["one"], "one", "one"), ([], "all", "all"), (["a\\n"], "a\\nb", "a\nb"),
    ])
    func aMessageInPlaceOfADelta(deltas: [String], message: String, text: String) throws {
        let frames =
            deltas.map { Self.frame(Self.choice(#""content":"\#($0)""#)) }
            + [
                Self.frame(
                    #"{"index":0,"message":{"role":"assistant","content":"\#(message)"},"finish_reason":"stop"}"#)
            ]
        let answer = AnswerHarness()
        for frame in frames { try answer.feed(frame) }
        answer.log.end()
        try answer.takeAll()
        #expect(answer.text() == text)
        let choice = try answer.completion()["choices"]?.arrayValue?.first
        #expect(choice?["message"]?["content"]?.stringValue == text)
        #expect(choice?["finish_reason"]?.stringValue == "stop")
    }

    /// Perplexity's: all that was said so far, beside each delta.
    @Test func aMessageBesideDeltasIsNotSaidTwice() throws {
        let frames = ["a", "ab", "abc"].map { whole in
            Self.frame(#"{"index":0,"delta":{"content":"\#(whole.suffix(1))"},"message":{"content":"\#(whole)"}}"#)
        }
        let last = Self.frame(
            #"{"index":0,"delta":{"content":""},"message":{"content":"abc "},"finish_reason":"stop"}"#)
        let message = try Self.completion(frames + [last])["choices"]?.arrayValue?.first?["message"]
        #expect(message?["content"]?.stringValue == "abc ")
    }

    @Test(arguments: [
        ("stop", "stop", nil), ("eos", "stop", "eos"), ("max_tokens", "length", "max_tokens"),
        ("SAFETY", "content_filter", "SAFETY"), ("tool_use", "tool_calls", "tool_use"), ("odd", "stop", "odd"),
    ])
    func finishReasonsAreOpenAIs(word: String, reason: String, native: String?) throws {
        let choice = try Self.completion([
            Self.frame(Self.choice(#""content":"a""#, #","finish_reason":"\#(word)""#))
        ])["choices"]?.arrayValue?.first
        #expect(choice?["finish_reason"]?.stringValue == reason)
        #expect(choice?["native_finish_reason"]?.stringValue == native)
    }

    @Test func outputCountsAndEnvelopesDoNot() throws {
        let answer = AnswerHarness()
        let long = String(repeating: "x", count: 1_000)
        for _ in 0..<10 {
            try answer.feed(Self.frame(Self.choice(#""reasoning_content":"ab""#), top: #","f":"\#(long)""#))
        }
        #expect(answer.log.outputBytes == 20)
        #expect(answer.log.count < 100, "memory follows the output")
    }
}
