import NIOCore
import Testing

@testable import Webhooks

/// A 2xx whose body does not end is a delivery, soon, and its connection is not used again.
@Suite(.timeLimit(.minutes(1))) struct EndlessAnswerTests {
    private static let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    private static let untilClose = "HTTP/1.1 200 OK\r\n\r\n"

    @Test(
        arguments: [
            ("a drip of chunks", .drip(head: chunked, piece: "1\r\nx\r\n", pause: .milliseconds(20))),
            ("a drip until the close", .drip(head: untilClose, piece: "x", pause: .milliseconds(20))),
            ("a drip of a promised length", .drip(head: long, piece: "x", pause: .milliseconds(20))),
            ("a drip of trailers", .drip(head: chunked + "0\r\n", piece: "x-a: b\r\n", pause: .milliseconds(20))),
            ("a drip of one trailer", .drip(head: chunked + "0\r\nx-a: ", piece: "b", pause: .milliseconds(20))),
            ("a drip of a chunk's size", .drip(head: chunked, piece: "0", pause: .milliseconds(20))),
            ("nothing", .reply(chunked)), ("half of it", .reply(long + "half")),
            ("a fast body", .endless(head: untilClose)), ("a fast body of a promised length", .endless(head: long)),
            ("fast chunks", .endless(head: chunked + "7fffffff\r\n")),
            ("fast trailers", .endless(head: chunked + "0\r\nx-a: ")),
            ("a fast extension of a chunk", .endless(head: chunked + "1;")),
            ("bytes that are no chunk", .endless(head: chunked)),
        ] as [(String, ScriptedServer.Reaction)])
    func overHTTP1(name: String, reaction: ScriptedServer.Reaction) async throws {
        try await ScriptedServer.with(script: { _ in reaction }) { server in
            try await SenderSupport.withSender { sender in
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == .delivered && outcome.status == 200, "\(outcome)")
                #expect(outcome.latency < .seconds(6), "long before the deadline of ten seconds")
                #expect(await server.waits { $0.closed == 1 }, "it is closed")
            }
        }
    }

    private static let long = "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n"

    /// So much is read of a body.
    private static let limit = 1_024

    static let frames: [SenderFrameTests.Case] = [
        .init(testDescription: "nothing") { Frames.head($0, [(":status", "200")]) },
        .init(testDescription: "half of it") {
            Frames.head($0, [(":status", "200")]) + Frames.data($0, "half", ends: false)
        },
        .init(testDescription: "empty frames") { stream in
            Frames.head(stream, [(":status", "200")])
                + (0..<50).flatMap { _ in Frames.data(stream, "", ends: false) }
        },
        .init(testDescription: "a large body") { stream in
            Frames.head(stream, [(":status", "200")])
                + (0..<40).flatMap { _ in Frames.data(stream, String(repeating: "x", count: 1_000), ends: false) }
        },
        .init(testDescription: "trailers that do not end") {
            Frames.head($0, [(":status", "200")]) + Frames.data($0, "ok", ends: false)
                + Frames.frame(1, flags: 1, $0, Frames.block([("x-a", "b")]))
        },
    ]

    @Test(arguments: frames) func overHTTP2(_ example: SenderFrameTests.Case) async throws {
        let certificates = try await Certificates.shared.value
        let server = try await RawAnswerServer(tls: try certificates.server("hooks", protocols: ["h2"])) {
            .init(bytes: example.answer($0), closes: false)
        }
        let configuration = SenderSupport.configuration(
            certificateAuthorityFile: certificates.authority, maximumResponseSize: Self.limit)
        try await SenderSupport.withSender(configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])) {
            sender in
            for number in 1...2 {
                let outcome = await sender.post(SenderSupport.task("https://hooks.test:\(server.port)/"))
                #expect(outcome.kind == .delivered && outcome.status == 200, "\(outcome)")
                #expect(outcome.latency < .seconds(6), "long before the deadline of ten seconds")
                #expect(server.made == number, "each has a connection of its own")
            }
            let end = ContinuousClock.now + .seconds(10)
            while server.closed < 2, .now < end { await Task.yield() }
            #expect(server.closed == 2, "while the sender lives")
        }
        await server.stop()
    }

    /// What goes on beside it on the same connection is not cut.
    @Test func othersOnTheConnectionGoOn() async throws {
        let certificates = try await Certificates.shared.value
        let server = try await RawAnswerServer(tls: try certificates.server("hooks", protocols: ["h2"])) { stream in
            // The second one is never answered; then the first one's answer, which does not end, is cut after 2 s.
            stream == 1
                ? .init(bytes: Frames.head(1, [(":status", "200")]), closes: false)
                : .init(bytes: [], closes: false)
        }
        let configuration = SenderSupport.configuration(
            timeout: .seconds(5), certificateAuthorityFile: certificates.authority)
        try await SenderSupport.withSender(configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])) {
            sender in
            let url = "https://hooks.test:\(server.port)/"
            async let first = sender.post(SenderSupport.task(url))
            async let second = sender.post(SenderSupport.task(url))
            let kinds = await [first.kind, second.kind]
            #expect(kinds.contains(.delivered), "\(kinds)")
            // Its own time ran out; it was not cut with the other.
            #expect(kinds.contains(.timeout) || kinds.allSatisfy { $0 == .delivered }, "\(kinds)")
        }
        await server.stop()
    }
}
