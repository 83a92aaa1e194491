import Testing

@testable import GatewaySimulator

@Suite struct ServerSentEventParserTests {
    static let table: [(String, [String])] = [
        ("data: one\n\ndata: two\n\n", ["one", "two"]),
        ("data:one\r\n\r\ndata:two\r\n\r\n", ["one", "two"]),
        ("data: one\r\rdata: two\r\r", ["one", "two"]),
        ("data: one\r\n\ndata: two\n\r\n", ["one", "two"]),
        (": keep-alive\n\ndata: one\n: comment\n\n: more\n\n", ["one"]),
        ("event: chunk\nid: 7\nretry: 10\ndata: one\n\n", ["one"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        ("data: a\r\ndata: b\r\n\r\n", ["a\nb"]),
        ("data\n\n", [""]),
        ("data:\ndata:\n\n", ["\n"]),
        ("data:  two spaces\n\n", [" two spaces"]),
        ("database: no\ndat: no\n\ndata: yes\n\n", ["yes"]),
        ("\u{FEFF}data: one\n\n", ["one"]),
        ("data: {\"a\":\"한국어 👩‍👩‍👧‍👦\"}\n\ndata: [DONE]\n\n", ["{\"a\":\"한국어 👩‍👩‍👧‍👦\"}", "[DONE]"]),
        ("data: cut off", ["cut off"]),
        ("data: cut off\n", ["cut off"]),
        ("\n\n\n", []), ("", []),
    ]

    /// Whole, byte by byte, and cut in two at every place.
    @Test(arguments: table) func eventsAreTheSameHoweverTheyAreCut(stream: String, events: [String]) throws {
        let bytes = Array(stream.utf8)
        var cuts = [[bytes], bytes.map { [$0] }]
        cuts += (0...bytes.count).map { [Array(bytes[..<$0]), Array(bytes[$0...])] }
        for pieces in cuts {
            var parser = ServerSentEventParser()
            var seen: [[UInt8]] = []
            for piece in pieces { seen += try parser.consume(piece) }
            seen += parser.finish()
            #expect(seen.map { String(decoding: $0, as: UTF8.self) } == events)
        }
    }

    @Test func eventsAreBounded() throws {
        var parser = ServerSentEventParser(maximumEventSize: 10)
        #expect(try parser.consume("data: 1234\n\n".utf8).count == 1)
        #expect(throws: ServerSentEventParser.TooLarge.self) {
            try parser.consume("data: 12345\ndata: 12345\n\n".utf8)
        }
    }
}
