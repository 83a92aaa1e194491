import AsyncHTTPClient
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Webhooks

/// Clients of other servers than receivers: the trace collector, the list of a gateway's models.
@Suite(.timeLimit(.minutes(1))) struct GuardedConnectionsTests {
    /// A certificate for the peer's address is good for no name: no byte of the request leaves.
    @Test(
        arguments: [
            ("hooks", "hooks.test", true), ("hooks", "HOOKS.test.", true), ("address", "hooks.test", false),
            ("other", "hooks.test", false), ("common", "hooks.test", false),
        ])
    func nothingLeavesForAnotherName(certificate: String, host: String, isGood: Bool) async throws {
        let certificates = try await Certificates.shared.value
        let authority = try NIOSSLCertificate.fromPEMFile(certificates.authority)
        try await ScriptedServer.with(tls: try certificates.server(certificate), script: { _ in .reply(okay) }) {
            server in
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(authority)
            var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
            configuration.dnsOverride = ["hooks.test": "127.0.0.1"]
            configuration.connectionPool.retryConnectionEstablishment = false
            GuardedConnections(host: host, maximumAnswerSize: 10_000).install(in: &configuration)
            let client = HTTPClient(
                eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
            var request = HTTPClientRequest(url: "https://hooks.test:\(server.port)/")
            request.headers.add(name: "authorization", value: "Bearer secret")
            let response = try? await client.execute(request, timeout: .seconds(10))
            #expect((response?.status == .ok) == isGood)
            if !isGood { #expect(server.seen.bytesRead == 0) }
            _ = try? await response?.body.collect(upTo: 100)
            try await client.shutdown()
        }
    }
}
