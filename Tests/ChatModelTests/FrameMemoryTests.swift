import TestSupport
import Testing

@testable import ChatModel

/// A message that is recognised by the one before it is what the scanner says of it.
@Suite struct FrameMemoryTests {
    static func frame(_ content: String, _ rest: String = "") -> String {
        #"{"id":"c","choices":[{"index":0,"delta":{"content":"\#(content)"},"finish_reason":null}],"created":17,"model":"m"\#(rest)}"#
    }

    /// Scans them one after the other; each must be what a scan without memory gives.
    private static func scan(_ messages: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        var memory = FrameMemory(choiceCount: 2)
        for message in messages {
            Array(message.utf8).withUnsafeBytes { bytes in
                let scanned = FrameScanner.scan(bytes)
                let isSame =
                    switch (memory.scan(bytes), scanned) {
                    case (.more(let text), .chunk(let chunk)):
                        chunk.parts.filter(\.isText).map { ScannedText(range: $0.value, hasEscapes: $0.hasEscapes) }
                            == [text] && chunk.finishedChoices == memory.chunk.finishedChoices
                            && chunk.outputChoices == memory.chunk.outputChoices
                    case (.chunk, .chunk(let chunk)): memory.chunk == chunk
                    case (.done, .done), (.error, .error), (.other, .other): true
                    case (.invalid(let error), .invalid(let other)): error == other
                    default: false
                    }
                #expect(isSame, "\(message)", sourceLocation: sourceLocation)
            }
        }
    }

    @Test(arguments: [
        ["a", "b", "longer text", "x"], ["a", "", "b"], ["a", #"\n"#, #"\ud83d"#, "b"], ["a", #"b"c"#, "d"],
        ["a", #"b\"#, "c"], ["a", "tab\there", "c"], ["a", #"\x"#, "c"], ["안", "녕", "👍🏽"], ["a", #"\\"#, #"\""#],
    ])
    func texts(contents: [String]) { Self.scan(contents.map { Self.frame($0) }) }

    @Test(arguments: [
        Self.frame("b", #","obfuscation":"x""#), Self.frame("b", #","model":"n""#),
        Self.frame("b", #","usage":{"a":1}"#),
        Self.frame("b", "}"), Self.frame("b", #","x":1"#), "[DONE]", "", "{", #"{"error":{}}"#, #"{"choices":[]}"#,
        String(Self.frame("b").dropLast()), " " + Self.frame("b"), Self.frame("b") + " ",
        Self.frame("b").replacing("\"id\":\"c\"", with: "\"id\":\"d\""),
        Self.frame("b").replacing("null}", with: "\"stop\"}"),
        Self.frame("b").replacing("{\"content\"", with: "{\"role\":\"assistant\",\"content\""),
        #"{"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null},{"index":1}],"created":17,"model":"m"}"#,
    ])
    func everythingElse(between: String) {
        Self.scan([Self.frame("a"), between, Self.frame("c"), Self.frame("d"), between])
        Self.scan([between, between])
    }

    /// One that was not recognised is not compared with the next.
    @Test func aMessageThatIsNoChunkIsForgotten() {
        let long = String(repeating: "m", count: 9_000)
        Self.scan([Self.frame("a", #","x":"\#(long)""#), Self.frame("b", #","x":"\#(long)""#)])
    }

    /// Values beside the text that change from message to message, and some that change now and then.
    @Test(arguments: [
        (0..<6).map { Self.frame("t\($0)", #","timings":{"n":\#($0 * 7_919)}"#) },
        (0..<6).map { Self.frame("t\($0)", #","usage":{"total_tokens":\#($0 * 1_000)}"#) },
        (0..<6).map { Self.frame("t\($0)", #","a":"\#($0 / 2)","b":[\#($0)],"c":null"#) },
        (0..<6).map { Self.frame("t\($0)", #","obfuscation":"\#(String(repeating: "x", count: $0))""#) },
        (0..<6).map {
            #"{"id":"c\#($0 * 99)","created":\#($0 * 9),"choices":[{"index":0,"delta":{"content":"t\#($0)"},"x":\#($0)}],"model":"m"}"#
        },
        [
            Self.frame("a", #","n":1"#), Self.frame("b", #","n":22"#), Self.frame("c", #","n":null"#),
            Self.frame("d", #","n":4"#), Self.frame("e", #","n":}"#), Self.frame("f", #","n":5"#),
            Self.frame("g", #","m":5"#),
        ],
        [
            Self.frame("a", #","usage":{}"#), Self.frame("b", #","usage":{"a":1}"#), Self.frame("c", #","usage":7"#),
            Self.frame("d", #","usage":{"a":2}"#), Self.frame("e", #","usage":null"#),
        ],
        (0..<4).map { Self.frame("t\($0)", #","x_groq":{"usage":{"a":\#($0 * 999)}}"#) },
    ])
    func changingValues(messages: [String]) { Self.scan(messages) }

    @Test func aValueThatChangesIsRecognisedToo() {
        var memory = FrameMemory()
        for number in 0..<8 {
            Array(Self.frame("t", #","timings":{"n":\#(number * 1_234)},"usage":{"t":\#(number)}"#).utf8)
                .withUnsafeBytes {
                    let found = memory.recognise($0)
                    #expect((found == .chunk) == (number > 1), "the third has shown what changes")
                    _ = memory.scan($0)
                }
        }
    }

    @Test func itIsRecognised() {
        var memory = FrameMemory()
        // Else nothing was tested: a memory that never recognises is always right.
        for (text, isKnown) in [("a", false), ("b", true), ("longer", true), ("", false), ("b", false), ("c", true)] {
            Array(Self.frame(text).utf8).withUnsafeBytes { bytes in
                let found = memory.recognise(bytes)
                #expect((found != nil) == isKnown, "\(text)")
                _ = memory.scan(bytes)
            }
        }
    }

    @Test(arguments: 1...20) func anyCut(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pieces = ["a", "\\", "\"", "n", "u", "d83d", "{", "}", ",", "안", "\u{1}", " "]
        var messages: [String] = []
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0...5, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
            }
            messages.append(Self.frame(text.joined()))
        }
        Self.scan(messages)
    }
}
