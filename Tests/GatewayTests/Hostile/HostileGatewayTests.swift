import Gateway
import NIOSSL
import Synchronization
import TestSupport
import Testing

/// Every case of `docs/GATEWAYS.md`, over real sockets and every transport that it is said to concern.
@Suite(.timeLimit(.minutes(5))) struct HostileGatewayTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var row: GatewayTable.Row
        var transport: TestTransport
        var testDescription: String { "\(row.name) over \(transport)" }
    }

    static let rows = Result { try GatewayTable.rows() }
    static let cases = ((try? rows.get()) ?? []).flatMap { row in
        TestTransport.allCases.filter { isMeant($0, by: row.transports) }.map { Case(row: row, transport: $0) }
    }

    private static func isMeant(_ transport: TestTransport, by words: [String]) -> Bool {
        words.contains { $0 == "all" || $0 == transport.rawValue || ($0 == "sse" && transport != .websocket) }
    }

    @Test func theDocumentAndTheScriptsHaveTheSameCases() throws {
        let rows = try Self.rows.get()
        #expect(rows.map(\.name).sorted() == HostileScript.all.keys.sorted())
        #expect(Self.cases.count > 200)
        for row in rows { #expect(!row.transports.isEmpty && (row.code == nil) == (row.stages == ["-"])) }
    }

    @Test(arguments: cases)
    func outcome(_ test: Case) async throws {
        let script = try #require(HostileScript.all[test.row.name])
        let seen = Signal()
        let leak = Leak()
        let play: TestGateway.Script = { peer in
            do { try await script.play(peer, seen) } catch let error as HostileScript.RequestLeft {
                leak.note(error.bytes)
            }
        }
        let body: @Sendable (TestGateway) async throws -> Void = { gateway in
            let client = try Self.client(of: gateway, over: test.transport, script)
            try await Self.expect(test, script, try await client.start(), seen)
            // A certificate that is refused is looked at once more, to tell why.
            let isLookedAt = ["tls-expired", "tls-unknown-ca"].contains(test.row.name)
            #expect(
                gateway.accepted.value == (isLookedAt ? 2 : 1),
                "neither another try nor a redirect that is followed")
            await client.shutdown()
        }
        if let tls = script.tls {
            try await TestGateway.run(
                tls: try Self.server(tls, test.transport), transport: test.transport, script: play, body: body)
        } else {
            try await TestGateway.run(over: test.transport, script: play, body: body)
        }
        #expect(leak.bytes == 0, "the request left over a bad TLS connection")
    }

    private static func expect(
        _ test: Case, _ script: HostileScript, _ stream: OpenStream, _ seen: Signal
    ) async throws {
        let (text, end) = try await deadline(.seconds(30)) {
            var text = ""
            for await event in stream.events {
                if case .chunk(let part) = event {
                    text += part
                    seen.fire()
                }
                if case .ended(let end) = event { return (text, end) }
            }
            return (text, GatewayStreamEnd.cancelled)
        }
        let stage = test.transport == .websocket ? test.row.stages.first : test.row.stages.last
        #expect(text == script.text ?? (stage == "streaming" ? "a" : ""))
        guard let code = test.row.code else {
            #expect(end == .complete)
            return
        }
        guard case .failed(let failure) = end else {
            Issue.record("did not fail, but ended with \(end)")
            return
        }
        #expect(failure.code == code)
        #expect(failure.isRetryable == test.row.isRetryable)
        #expect(failure.stage.rawValue == stage)
        #expect(failure.retryAfter == script.retryAfter)
        #expect(!String(describing: failure).contains("sk-test"))
    }

    private static func client(
        of gateway: TestGateway, over transport: TestTransport, _ script: HostileScript
    ) throws -> GatewayClient {
        guard let tls = script.tls else { return try gateway.client(change: script.change) }
        let certificates = try GatewayTLSTests.certificates.get()
        let isTrusting = if case .untrusted = tls { false } else { true }
        return try GatewayClient.test(
            port: gateway.port, isSecure: true, host: "localhost",
            caFile: isTrusting ? certificates.authorityFile : certificates.otherAuthorityFile
        ) {
            if transport != .websocket { $0.transport = .sse }
            script.change(&$0)
        }
    }

    private static func server(_ tls: HostileScript.TLS, _ transport: TestTransport) throws -> NIOSSLContext? {
        let certificates = try GatewayTLSTests.certificates.get()
        let protocols = transport == .websocket ? [] : [transport == .http2 ? "h2" : "http/1.1"]
        return switch tls {
        case .certificate(let name), .untrusted(let name): try certificates.server(name, protocols: protocols)
        case .old: try certificates.server("good", protocols: protocols) { $0.maximumTLSVersion = .tlsv11 }
        case .none: nil
        }
    }
}

/// Bytes of requests that came through where none should.
private final class Leak: Sendable {
    private let count = Atomic<Int>(0)
    var bytes: Int { count.load(ordering: .sequentiallyConsistent) }
    func note(_ bytes: Int) { count.add(bytes, ordering: .sequentiallyConsistent) }
}
