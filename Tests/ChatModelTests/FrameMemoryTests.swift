import TestSupport
import Testing

@testable import ChatModel

/// A message that is recognised by the one before it is what the scanner says of it.
@Suite struct FrameMemoryTests {
    fileprivate static func frame(_ content: String, _ rest: String = "") -> String {
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

    @Test func itIsRecognised() {
        var memory = FrameMemory()
        // Else nothing was tested: a memory that never recognises is always right.
        for (text, isKnown) in [("a", false), ("b", true), ("longer", true), ("", false), ("b", false), ("c", true)] {
            Array(Self.frame(text).utf8).withUnsafeBytes { bytes in
                #expect((memory.recognise(bytes) != nil) == isKnown, "\(text)")
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
