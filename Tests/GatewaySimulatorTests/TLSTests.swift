import NIOSSL
import Testing

@testable import GatewaySimulator

@Suite struct TLSTests {
    @Test func speaksWSS() async throws {
        try await withTemporaryFolder { folder in
            let files = try makeCertificate(in: folder)
            var options = SimulatedGateway.Options()
            options.tls = .init(certificateFile: files.certificate, keyFile: files.key)
            options.tokens = 3
            let gateway = try await SimulatedGateway.start(options)
            #expect(gateway.url.hasPrefix("wss://"))
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .file(files.certificate)
            let context = try NIOSSLContext(configuration: configuration)
            try await withDeadline {
                let client = try await TestClient.connect(port: gateway.port, tls: context)
                try await client.send(chatRequest())
                #expect(try JoinedAnswer(try await client.messages(until: isUsage)).contents[0]?.count == 3)
            }
            await gateway.shutdown()
        }
    }

    @Test func aBadKeyIsAnError() async throws {
        var options = SimulatedGateway.Options()
        options.tls = .init(certificateFile: "/nonexistent", keyFile: "/nonexistent")
        let error = await #expect(throws: SimulatorError.self) { try await SimulatedGateway.start(options) }
        #expect(error?.code == .unreadableFile)
    }
}
