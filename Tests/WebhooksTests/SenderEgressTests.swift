import Foundation
import NIOSSL
import Testing

@testable import Webhooks

/// What an endpoint asks for besides a signature, and the way out of the network; over real sockets.
@Suite(.timeLimit(.minutes(1))) struct SenderEgressTests {
    private static func configuration(_ options: WebhookOptions, url: String) -> WebhookConfiguration {
        var configuration = SenderSupport.configuration()
        configuration.endpoints["hook"] = .init(
            name: "hook", url: url, keys: .init(secrets: [SenderSupport.secret]), options: options)
        return configuration
    }

    /// A server that wants a certificate of the authority gets that of the endpoint, and no other.
    @Test(arguments: [true, false]) func aClientCertificateIsShownWhereItIsSet(isSet: Bool) async throws {
        let certificates = try await Certificates.shared.value
        let authority = try NIOSSLCertificate.fromPEMFile(certificates.authority)
        let context = try certificates.server("hooks") {
            $0.trustRoots = .certificates(authority)
            $0.certificateVerification = .noHostnameVerification
        }
        try await ScriptedServer.with(tls: context, script: { _ in .reply(okay) }) { server in
            var options = WebhookOptions()
            if isSet {
                options.clientCertificate = .init(
                    certificateFile: certificates.folder.appending(path: "other.pem").path,
                    keyFile: certificates.folder.appending(path: "other.key").path)
            }
            var configuration = Self.configuration(options, url: "https://hooks.test:\(server.port)/")
            configuration.certificateAuthorityFile = certificates.authority
            try await SenderSupport.withSender(
                configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])
            ) { sender in
                let outcome = await sender.post(.sample(target: .endpoint("hook")))
                #expect((outcome.kind == .delivered) == isSet, "\(outcome)")
                // A URL of the same host has no part in the endpoint's certificate.
                let url = await sender.post(SenderSupport.task("https://hooks.test:\(server.port)/"))
                #expect(url.kind != .delivered, "\(url)")
            }
        }
    }

    @Test func headersOfTheEndpointAreSentAndCloudEventsWhereWanted() async throws {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            var options = WebhookOptions()
            options.headers = [.init(name: "authorization", value: "Bearer t0ken")]
            options.cloudEvents = true
            let configuration = Self.configuration(options, url: "http://127.0.0.1:\(server.port)/")
            try await SenderSupport.withSender(configuration) { sender in
                #expect(await sender.post(.sample(target: .endpoint("hook"))).kind == .delivered)
                let plain = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(plain.kind == .delivered)
            }
            let headers = server.seen.requests.map(\.headers)
            #expect(headers[0]["authorization"] == "Bearer t0ken")
            #expect(headers[0]["ce-id"] == headers[0]["webhook-id"] && headers[0]["ce-source"] == "chat")
            #expect(headers[0]["ce-time"] == "2023-11-14T22:13:20.000Z" && headers[0]["ce-subject"] == "job-1")
            #expect(headers[1]["authorization"] == nil && headers[1]["ce-id"] == nil)
        }
    }

    /// Behind a proxy the worker connects to nothing else, and resolves nothing: where the name leads is the proxy's to judge.
    @Test func aProxyIsTheOnlyWayOut() async throws {
        try await ScriptedServer.with(script: { request in
            request.line.hasPrefix("CONNECT ") ? .reply("HTTP/1.1 200 Connection established\r\n\r\n") : .reply(okay)
        }) { proxy in
            var configuration = SenderSupport.configuration()
            configuration.proxy = .init(host: "127.0.0.1", port: proxy.port)
            let resolver = TableResolver([:])
            try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:8080/a"))
                #expect(outcome.kind == .delivered, "\(outcome)")
                // What the configuration says about hosts holds all the same.
                #expect(await sender.post(SenderSupport.task("http://other.test/")).kind == .refused)
            }
            #expect(resolver.asked.withLock { $0.isEmpty })
            #expect(proxy.seen.requests.map { String($0.line.prefix(8)) } == ["CONNECT ", "POST /a "])
        }
    }

    /// Also in ways that no proxy should.
    @Test(arguments: [
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        "HTTP/1.1 403 No\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
    ])
    func aProxyThatRefusesIsAFailure(answer: String) async throws {
        try await ScriptedServer.with(script: { _ in .reply(answer) }) { proxy in
            var configuration = SenderSupport.configuration(timeout: .seconds(3))
            configuration.proxy = .init(host: "127.0.0.1", port: proxy.port)
            try await SenderSupport.withSender(configuration) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:8080/a"))
                #expect(outcome.kind != .delivered && outcome.kind != .abandoned, "\(outcome)")
            }
            #expect(proxy.seen.requests.allSatisfy { $0.line.hasPrefix("CONNECT ") })
        }
    }

    /// `only_networks`, judged by the address that the name leads to.
    @Test(arguments: [("127.0.0.1", true), ("127.0.0.2", false)])
    func aListOfNetworksIsTheOnlyWay(address: String, isDelivered: Bool) async throws {
        try await ScriptedServer.with(host: "0.0.0.0", script: { _ in .reply(okay) }) { server in
            var configuration = SenderSupport.configuration()
            configuration.onlyNetworks = [try #require(CIDRBlock("127.0.0.1/32"))]
            let resolver = TableResolver(["hooks.test": [address]])
            try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:\(server.port)/"))
                #expect(outcome.kind == (isDelivered ? .delivered : .refused), "\(outcome)")
            }
            let connections = try await server.connectionsMade()
            #expect(connections == (isDelivered ? 1 : 0))
        }
    }

    @Test func aDeniedNetworkIsRefusedAlsoWhereItIsPublic() async throws {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            var configuration = SenderSupport.configuration()
            configuration.deniedNetworks = [try #require(CIDRBlock("127.0.0.0/30"))]
            let resolver = TableResolver(["hooks.test": ["127.0.0.1"]])
            try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:\(server.port)/"))
                #expect(outcome.kind == .refused, "\(outcome)")
            }
            let connections = try await server.connectionsMade()
            #expect(connections == 0)
        }
    }
}
