import NIOSSL
import Testing

@testable import Webhooks

/// Answers over HTTP/2 that are none: each is an ordinary failure, and the next post goes on.
@Suite(.timeLimit(.minutes(2))) struct SenderFrameTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var kind: WebhookOutcome.Kind?
        var greeting = Frames.settings()
        var answer: @Sendable (UInt32) -> [UInt8]
    }

    private static let good: @Sendable (UInt32) -> [UInt8] = {
        Frames.head($0, [(":status", "200")]) + Frames.data($0, "ok")
    }

    private static func status(_ text: String) -> Case {
        Case(testDescription: "status \(text)", kind: .invalidResponse) {
            Frames.head($0, [(":status", text)]) + Frames.data($0, "ok")
        }
    }

    static let cases: [Case] = [
        Case(testDescription: "good", kind: .delivered, answer: good),
        Case(testDescription: "interim, then good", kind: .delivered) {
            Frames.head($0, [(":status", "103")]) + good($0)
        },
        Case(testDescription: "trailers", kind: .delivered) {
            Frames.head($0, [(":status", "200")]) + Frames.data($0, "ok", ends: false)
                + Frames.head($0, [("x-a", "b")], ends: true)
        },
        status("000"), status("099"), status("-1"), status(""), status("20"), status("+20"),
        status("99999999999999999999"),
        Case(testDescription: "a switch of protocols, then good", kind: .invalidResponse) {
            Frames.head($0, [(":status", "101")]) + good($0)
        },
        Case(testDescription: "no status") { Frames.head($0, [("x-a", "b")]) + Frames.data($0, "ok") },
        Case(testDescription: "two statuses") {
            Frames.head($0, [(":status", "200"), (":status", "500")]) + Frames.data($0, "ok")
        },
        Case(testDescription: "two heads") { Frames.head($0, [(":status", "200")]) + good($0) },
        Case(testDescription: "data first") { Frames.data($0, "ok", ends: false) + good($0) },
        Case(testDescription: "an interim answer ends the stream") {
            Frames.head($0, [(":status", "103")], ends: true)
        },
        Case(testDescription: "endless interim answers", kind: .invalidResponse) { stream in
            (0..<200).flatMap { _ in Frames.head(stream, [(":status", "103")]) } + good(stream)
        },
        Case(testDescription: "a push") { Frames.pushPromise($0, promising: 2) + good($0) },
        Case(testDescription: "a push before our settings are heard of") {
            Frames.pushPromise($0, promising: 2) + Frames.head(2, [(":status", "200")], ends: true) + good($0)
        },
        Case(
            testDescription: "it goes away at once", greeting: Frames.settings() + Frames.goAway(last: 0), answer: good),
        Case(
            testDescription: "two settings at once",
            greeting: Frames.settings([(3, 1)]) + Frames.settings([(3, 50)]), answer: good),
        Case(testDescription: "no streams allowed", greeting: Frames.settings([(3, 0)]), answer: good),
        Case(testDescription: "the stream is reset") { Frames.frame(3, flags: 0, $0, Frames.number(7)) },
        Case(testDescription: "a stream that nobody opened") { Frames.head($0 + 2, [(":status", "200")]) + good($0) },
    ]

    @Test(arguments: cases) func endsAsItShould(_ example: Case) async throws {
        let certificates = try await Certificates.shared.value
        let server = try await RawAnswerServer(
            tls: try certificates.server("hooks", protocols: ["h2"]), greeting: example.greeting
        ) { .init(bytes: example.answer($0), closes: false) }
        let configuration = SenderSupport.configuration(
            timeout: .seconds(2), certificateAuthorityFile: certificates.authority)
        try await SenderSupport.withSender(configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])) {
            sender in
            for _ in 0..<2 {
                let outcome = await sender.post(SenderSupport.task("https://hooks.test:\(server.port)/"))
                if let kind = example.kind { #expect(outcome.kind == kind, "\(outcome)") }
                #expect(outcome.kind != .abandoned, "\(outcome)")
            }
        }
        await server.stop()
    }
}
