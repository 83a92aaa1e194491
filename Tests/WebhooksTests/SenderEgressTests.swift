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

    private static let tunnel = "HTTP/1.1 200 Connection established\r\n\r\n"

    /// Credentials go to the proxy only, also with the tunnel for https.
    @Test(arguments: [true, false]) func theProxyIsToldWhoAsks(hasCredentials: Bool) async throws {
        try await ScriptedServer.with(script: { request in
            guard request.line.hasPrefix("CONNECT ") else { return .reply(okay) }
            return request.headers["proxy-authorization"] == "Basic dXNlcjpwOncgw7w="
                ? .reply(Self.tunnel)
                : .reply("HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n")
        }) { proxy in
            var configuration = SenderSupport.configuration()
            configuration.proxy = .init(
                host: "127.0.0.1", port: proxy.port,
                credentials: hasCredentials ? .init(user: "user", password: "p:w ü") : nil)
            try await SenderSupport.withSender(configuration) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:8080/a"))
                #expect(outcome.kind == (hasCredentials ? .delivered : .proxyDown), "\(outcome)")
                #expect(!outcome.detail.contains("user"))
            }
            let posts = proxy.seen.requests.filter { $0.line.hasPrefix("POST") }
            #expect(posts.count == (hasCredentials ? 1 : 0))
            #expect(posts.allSatisfy { $0.headers["proxy-authorization"] == nil })
        }
    }

    @Test func anHTTPSEndpointIsReachedThroughTheProxy() async throws {
        let certificates = try await Certificates.shared.value
        try await ScriptedServer.with(tls: try certificates.server("hooks"), script: { _ in .reply(okay) }) { server in
            let proxy = try await TunnelServer(port: server.port)
            var configuration = SenderSupport.configuration(certificateAuthorityFile: certificates.authority)
            configuration.proxy = .init(host: "127.0.0.1", port: proxy.port)
            try await SenderSupport.withSender(configuration) { sender in
                for _ in 0..<2 {
                    let outcome = await sender.post(SenderSupport.task("https://hooks.test:\(server.port)/a"))
                    #expect(outcome.kind == .delivered, "\(outcome)")
                }
                let other = await sender.post(SenderSupport.task("https://other.test:\(server.port)/a"))
                #expect(other.kind == .tls, "the certificate is the endpoint's: \(other)")
            }
            #expect(proxy.asked == ["CONNECT hooks.test:\(server.port)", "CONNECT other.test:\(server.port)"])
            await proxy.stop()
        }
    }

    /// An address in a URL is judged as without a proxy, and so are those of a name that the worker looks up.
    @Test(
        arguments: [
            ("http://127.0.0.1:1/", true, nil), ("http://10.0.0.1/", true, nil),
            ("http://[64:ff9b::a00:1]/", true, nil),
            ("http://hooks.test/", false, "10.0.0.1"), ("http://hooks.test/", false, "169.254.169.254"),
            ("http://hooks.test/", false, "64:ff9b::7f00:1"), ("http://hooks.test/", false, nil),
        ] as [(String, Bool, String?)])
    func aProxyOpensNoPrivateNetwork(url: String, resolves: Bool, address: String?) async throws {
        try await ScriptedServer.with(script: { _ in .reply(Self.tunnel) }) { proxy in
            var configuration = SenderSupport.configuration(allowed: [])
            configuration.insecureHosts = ["127.0.0.1", "10.0.0.1", "64:ff9b::a00:1", "hooks.test"]
            configuration.proxy = .init(host: "127.0.0.1", port: proxy.port, resolvesNames: resolves)
            let resolver = TableResolver(address.map { ["hooks.test": [$0]] } ?? [:])
            try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                let outcome = await sender.post(SenderSupport.task(url))
                #expect(outcome.kind == (address == nil && !resolves ? .dns : .refused), "\(outcome)")
            }
            #expect(proxy.seen.requests.isEmpty)
        }
    }

    /// The proxy is asked for the address that was judged, and the endpoint's name stays what it is.
    @Test func theProxyIsAskedForTheJudgedAddress() async throws {
        try await ScriptedServer.with(script: { request in
            request.line.hasPrefix("CONNECT ") ? .reply(Self.tunnel) : .reply(okay)
        }) { proxy in
            var configuration = SenderSupport.configuration()
            configuration.proxy = .init(host: "127.0.0.1", port: proxy.port, resolvesNames: false)
            for address in ["8.8.8.8", "2a00:1450:4001:81b::200e"] {
                let resolver = TableResolver(["hooks.test": [address]])
                try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                    let outcome = await sender.post(SenderSupport.task("http://hooks.test:8080/a"))
                    #expect(outcome.kind == .delivered, "\(outcome)")
                }
            }
            #expect(
                proxy.seen.requests.map(\.line) == [
                    "CONNECT 8.8.8.8:8080 HTTP/1.1", "POST /a HTTP/1.1",
                    "CONNECT [2a00:1450:4001:81b::200e]:8080 HTTP/1.1", "POST /a HTTP/1.1",
                ])
            #expect(proxy.seen.requests[1].headers["host"] == "hooks.test:8080")
        }
    }

    /// No try is spent while the proxy is away or lets nobody in, and no breaker opens over a proxy.
    @Test(
        arguments: [
            (nil, .proxyDown), ("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", .proxyDown),
            ("HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", .proxyRefused),
            ("HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno", .proxyRefused),
            ("HTTP/1.1 504 No\r\n\r\n", .proxyRefused), ("nonsense\r\n\r\n", .proxyRefused), ("", .proxyRefused),
            ("silence", .proxyRefused),
        ] as [(String?, WebhookOutcome.Kind)])
    func aProxysFailureIsNotTheEndpoints(answer: String?, kind: WebhookOutcome.Kind) async throws {
        let proxy = try await ScriptedServer.start { _ in
            switch answer {
            case "silence": .silence
            case "": .replyAndClose("")
            default: .reply(answer ?? "")
            }
        }
        if answer == nil { await proxy.stop() }
        var configuration = SenderSupport.configuration(timeout: .seconds(3))
        configuration.proxy = .init(host: "127.0.0.1", port: answer == nil ? 1 : proxy.port)
        configuration.breaker = .init(failures: 1)
        let task = SenderSupport.task("http://hooks.test:8080/a")
        try await DelivererTests.with(configuration) { deliverer, lines in
            for _ in 0..<3 {
                let result = await deliverer.submit(task)
                #expect(result.outcome.kind == kind && result.breaker == nil, "\(result)")
                switch result.decision {
                case .postpone: #expect(kind == .proxyDown)
                case .retry: #expect(kind == .proxyRefused)
                default: Issue.record("\(result)")
                }
            }
            let logged = lines.lines.withLock { $0 }
            #expect(logged.count == 3)
            #expect(logged.allSatisfy { $0.level == .error && $0.message.contains("proxy") })
        }
        await proxy.stop()
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
