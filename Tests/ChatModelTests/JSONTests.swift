import ChatModel
import TestSupport
import Testing

@Suite struct JSONTests {
    @Test(arguments: [
        "null", "true", " false ", "0", "-0", "1.5e+10", "\"\"", "[]", "{}", "[1,[2,{\"a\":null}]]",
        "\"\\u00e9\\n\\/\"",
        "{\"a\":1,\"b\":{\"a\":2}}", "\t\r\n [ 1 , 2 ] ", "\"한\"", "{\"\":0}",
    ])
    func valid(text: String) throws {
        let value = try JSONValue(parsing: text.utf8)
        #expect(try JSONValue(parsing: value.serialized()) == value)
    }

    @Test(arguments: [
        ("", JSONError.Reason.unexpectedEnd), ("nul", .unexpectedByte), ("tru e", .unexpectedByte),
        ("01", .trailingBytes), ("-", .unexpectedEnd), ("1.", .badNumber), (".5", .unexpectedByte), ("1e", .badNumber),
        ("+1", .unexpectedByte), ("NaN", .unexpectedByte), ("\"", .unexpectedEnd), ("\"\\", .unexpectedEnd),
        ("\"\\x\"", .badEscape), ("\"\\u12g4\"", .badEscape), ("\"\\u12", .unexpectedEnd),
        ("\"\n\"", .controlCharacter),
        ("\"\u{0}\"", .controlCharacter), ("[1,]", .unexpectedByte), ("[1", .unexpectedEnd),
        ("{\"a\"}", .unexpectedByte),
        ("{\"a\":}", .unexpectedByte), ("{a:1}", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte),
        ("{} {}", .trailingBytes), ("{\"a\":1,\"a\":2}", .duplicateKey), ("{\"a\":1,\"\\u0061\":2}", .duplicateKey),
        ("{\"b\":{\"x\":1,\"x\":1}}", .duplicateKey), ("'a'", .unexpectedByte), ("// c\n1", .unexpectedByte),
        ("\u{FEFF}1", .unexpectedByte),
    ])
    func invalid(text: String, reason: JSONError.Reason) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
        do throws(JSONError) { _ = try JSONValue(parsing: text.utf8) } catch {
            #expect(error.reason == reason, "\(text)")
        }
    }

    @Test func keysThatOnlyLookAlikeAreDifferent() throws {
        // Canonically equivalent, but not the same bytes.
        #expect(throws: Never.self) { try JSONValue(parsing: "{\"é\":1,\"e\u{301}\":2}".utf8) }
    }

    @Test func duplicateAmongManyKeys() {
        let keys = (0..<1_000).map { "\"k\($0)\":0" }
        #expect(throws: Never.self) { try JSONValue(parsing: "{\(keys.joined(separator: ","))}".utf8) }
        let doubled = keys + ["\"k7\":0"]
        #expect(throws: JSONError.self) { try JSONValue(parsing: "{\(doubled.joined(separator: ","))}".utf8) }
    }

    @Test func badUTF8IsRefused() {
        #expect(throws: JSONError(.invalidUTF8, at: 1)) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError(.invalidUTF8, at: 1)) { try JSONValue(parsing: [0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func depthIsLimited() {
        func nested(_ depth: Int) -> [UInt8] {
            Array(String(repeating: "[", count: depth).utf8) + Array(String(repeating: "]", count: depth).utf8)
        }
        #expect(throws: Never.self) { try JSONValue(parsing: nested(128)) }
        #expect(throws: JSONError(.tooDeep, at: 128)) { try JSONValue(parsing: nested(129)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(100_000)) }
    }

    @Test(arguments: [
        ("a\\u00e9b", "aéb"), ("\\ud83d\\ude00", "😀"), ("\\ud83d", "\u{FFFD}"), ("\\ude00", "\u{FFFD}"),
        ("\\ud83dx\\ude00", "\u{FFFD}x\u{FFFD}"), ("\\ud83d\\ud83d\\ude00", "\u{FFFD}😀"),
        ("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\u{8}\u{C}\n\r\t"),
        ("\\u0000", "\u{0}"), ("", ""),
    ])
    func decoding(raw: String, text: String) {
        let bytes = Array(raw.utf8)
        #expect(bytes.withUnsafeBytes { JSONText.string($0) } == text)
        #expect(bytes.withUnsafeBytes { JSONText.decodedCount($0) } == text.utf8.count)
    }

    @Test func randomBytesNeverTrap() {
        var random = SeededGenerator(seed: 7)
        let alphabet = Array("{}[]\",:\\u0deE+-.19 tfn\u{0}é".utf8)
        for _ in 0..<50_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            if let value = try? JSONValue(parsing: bytes) {
                #expect((try? JSONValue(parsing: value.serialized())) == value)
            }
            bytes.withUnsafeBytes { _ = FrameScanner.scan($0) }
        }
    }
}
