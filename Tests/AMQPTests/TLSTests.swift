import TestSupport
import Testing

@testable import AMQP

/// Against a real broker with a CA of its own.
@Suite(.enabled(if: (try? TestBroker.shared().isOwned) ?? false)) struct TLSTests {
    private let broker: TestBroker

    init() throws { broker = try TestBroker.shared() }

    private func connect(
        host: String? = nil, port: Int? = nil, change: (inout AMQPConfiguration.TLS) -> Void
    ) throws -> AMQPSession {
        var configuration = try AMQPConfiguration(url: broker.tlsURL)
        var tls = AMQPConfiguration.TLS(certificateAuthorityFile: broker.tlsFile("ca.pem"))
        change(&tls)
        configuration.tls = tls
        if let host { configuration.addresses[0].host = host }
        if let port { configuration.addresses[0].port = port }
        return try AMQPSession(configuration: configuration)
    }

    @Test(arguments: [false, true]) func good(_ withClientCertificate: Bool) throws {
        let session = try connect { tls in
            guard withClientCertificate else { return }
            tls.clientCertificateFile = broker.tlsFile("client.pem")
            tls.clientKeyFile = broker.tlsFile("client.key")
        }
        let queue = try session.declareQueue(exclusive: true).name
        // Larger than a TLS record: nothing may be left behind in a buffer that poll does not see.
        let body = [UInt8](repeating: 9, count: 100_000)
        #expect(try session.publish(routingKey: queue, body: body) == .confirmed)
        try session.consume(queue, noAck: true)
        #expect(try session.receive(timeout: .seconds(5))?.body == body)
        session.close()
    }

    @Test func unknownAuthority() throws {
        let error = #expect(throws: AMQPError.self) {
            try connect { $0.certificateAuthorityFile = "/etc/ssl/certs/ca-certificates.crt" }
        }
        #expect(error?.code == .tls && error?.message.contains("not trusted") == true)
    }

    @Test func wrongHostName() throws {
        let error = #expect(throws: AMQPError.self) { try connect(host: "127.0.0.1") { _ in } }
        #expect(error?.code == .tls && error?.message.contains("another host name") == true)
    }

    @Test func noTLSThere() throws {
        let plain = try AMQPConfiguration(url: broker.url).addresses[0].port
        let error = #expect(throws: AMQPError.self) { try connect(port: plain) { _ in } }
        #expect(error?.code == .tls)
    }

    @Test(arguments: ["ca", "certificate", "key", "both"]) func filesThatCannotBeRead(_ which: String) throws {
        let error = #expect(throws: AMQPError.self) {
            try connect { tls in
                switch which {
                case "ca": tls.certificateAuthorityFile = "/no/such/ca.pem"
                case "certificate": (tls.clientCertificateFile, tls.clientKeyFile) = ("/no/such", "/no/such")
                case "key":
                    tls.clientCertificateFile = broker.tlsFile("client.pem")
                    tls.clientKeyFile = broker.tlsFile("server.key")
                default: tls.clientCertificateFile = broker.tlsFile("client.pem")
                }
            }
        }
        #expect(error?.code == .configuration)
    }
}
