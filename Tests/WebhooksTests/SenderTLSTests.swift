import Foundation
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
import PeerChecks
import Synchronization
import Testing

@testable import Webhooks

/// Certificates made by `openssl` in a folder of their own.
struct Certificates {
    let folder: URL

    /// Made once for all tests.
    static let shared = Task { try await Certificates() }

    var authority: String { self.folder.appending(path: "ca.pem").path }

    private init() async throws {
        self.folder = FileManager.default.temporaryDirectory.appending(path: "webhook-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        try await self.make("ca", subject: "authority", arguments: [])
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"]
        try await self.make(
            "hooks", subject: "hooks", arguments: signed + ["-addext", "subjectAltName=DNS:hooks.test"])
        try await self.make(
            "other", subject: "hooks.test", arguments: signed + ["-addext", "subjectAltName=DNS:other.test"])
        try await self.make(
            "address", subject: "address", arguments: signed + ["-addext", "subjectAltName=IP:127.0.0.1"])
        try await self.make(
            "wildcard", subject: "x", arguments: signed + ["-addext", "subjectAltName=DNS:a.b,DNS:*.TEST"])
        try await self.make("common", subject: "hooks.test", arguments: signed)
        try await self.make("stranger", subject: "hooks", arguments: ["-addext", "subjectAltName=DNS:hooks.test"])
    }

    private func make(_ name: String, subject: String, arguments: [String]) async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.currentDirectoryURL = self.folder
        process.arguments =
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", "/CN=\(subject)", "-keyout", "\(name).key", "-out", "\(name).pem",
            ] + arguments
        process.standardError = FileHandle.nullDevice
        let status = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                continuation.resume(throwing: error)
            }
        }
        guard status == 0 else { throw CocoaError(.executableLoad) }
    }

    func server(
        _ name: String, maximum: TLSVersion? = nil, protocols: [String] = [],
        change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(self.folder.appending(path: "\(name).pem").path)
        let key = try NIOSSLPrivateKey(file: self.folder.appending(path: "\(name).key").path, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv1
        configuration.maximumTLSVersion = maximum
        configuration.applicationProtocols = protocols
        change(&configuration)
        return try NIOSSLContext(configuration: configuration)
    }
}

@Suite(.timeLimit(.minutes(1))) struct SenderTLSTests {
    private static func post(
        certificate: String, host: String = "hooks.test", trusted: Bool = true, maximum: TLSVersion? = nil
    ) async throws -> (WebhookOutcome, ScriptedServer.Seen) {
        let certificates = try await Certificates.shared.value
        let context = try certificates.server(certificate, maximum: maximum)
        return try await ScriptedServer.with(tls: context, script: { _ in .reply(okay) }) { server in
            let configuration = SenderSupport.configuration(
                certificateAuthorityFile: trusted ? certificates.authority : nil)
            return try await SenderSupport.withSender(
                configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])
            ) { sender in
                let task = SenderSupport.task("https://\(host):\(server.port)/")
                _ = await sender.post(task)
                return (await sender.post(task), server.seen)
            }
        }
    }

    @Test(arguments: [("hooks", "hooks.test"), ("wildcard", "hooks.test"), ("address", "127.0.0.1")])
    func deliversToATrustedHost(certificate: String, host: String) async throws {
        let (outcome, seen) = try await Self.post(certificate: certificate, host: host)
        #expect(outcome.kind == .delivered, "\(outcome)")
        #expect(seen.requests.map(\.connection) == [1, 1])
    }

    @Test(
        arguments: [
            // Another name; the common name does not count.
            ("other", "hooks.test", true, nil),
            // The name's certificate for the address, and the other way round.
            ("hooks", "127.0.0.1", true, nil), ("address", "hooks.test", true, nil),
            // Without any alternative name.
            ("common", "hooks.test", true, nil),
            // Signed by nobody, and by an authority that is not trusted.
            ("stranger", "hooks.test", true, nil), ("hooks", "hooks.test", false, nil),
            // Too old.
            ("hooks", "hooks.test", true, .tlsv11), ("hooks", "hooks.test", true, .tlsv1),
        ] as [(String, String, Bool, TLSVersion?)])
    func refusesAnythingElse(certificate: String, host: String, trusted: Bool, maximum: TLSVersion?) async throws {
        let (outcome, seen) = try await Self.post(
            certificate: certificate, host: host, trusted: trusted, maximum: maximum)
        #expect(outcome.kind == .tls, "\(outcome)")
        #expect(seen.requests.isEmpty)
        #expect(seen.bytesRead == 0)
    }

    @Test func aServerThatIsNoTLSIsATLSFailure() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        GreetingHandler(greeting: "220 mail.example ESMTP\r\n", closes: false))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await SenderSupport.withSender { sender in
            let outcome = await sender.post(SenderSupport.task("https://127.0.0.1:\(port)/"))
            #expect(outcome.kind == .tls, "\(outcome)")
        }
        try await server.close()
    }

    @Test(arguments: [
        ("hooks.test", "hooks.test", true), ("HOOKS.test", "hooks.test", true), ("*.test", "hooks.test", true),
        ("*.hooks.test", "a.hooks.test", true), ("*.hooks.test", "hooks.test", false),
        ("*.test", "a.hooks.test", false),
        ("h*.test", "hooks.test", false), ("*", "hooks", false), ("*.*", "hooks.test", false),
        ("", "hooks.test", false),
        ("hooks.test\u{0}.evil", "hooks.test", false), ("*.", "hooks.", false), ("hooks.test", "Hooks.test.", true),
        ("", ".", false), ("hooks.tes", "hooks.test", false),
    ])
    func matchesNames(presented: String, name: String, matches: Bool) {
        #expect(ServerIdentity.matches(Array(presented.utf8), name: name) == matches)
    }

    @Test func aHandshakeThatNeverEndsIsATimeout() async throws {
        try await ScriptedServer.with(script: { _ in .silence }) { server in
            try await SenderSupport.withSender(SenderSupport.configuration(timeout: .milliseconds(600))) { sender in
                let outcome = await sender.post(SenderSupport.task("https://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == .timeout, "\(outcome)")
                #expect(outcome.latency < .seconds(15))
            }
        }
    }

    @Test func aMissingAuthorityFileFailsAtTheStart() {
        let configuration = SenderSupport.configuration(certificateAuthorityFile: "/nonexistent/ca.pem")
        #expect(throws: (any Error).self) {
            try WebhookSender(
                configuration: configuration, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                logger: .init(label: "test"))
        }
    }

    @Test func speaksHTTP2WhereOffered() async throws {
        let certificates = try await Certificates.shared.value
        let context = try certificates.server("hooks", protocols: ["h2"])
        let connections = Atomic(0)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connections.add(1, ordering: .relaxed)
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                        mode: .server, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                            try stream.pipeline.syncOperations.addHandler(EchoHandler())
                        }
                    }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let configuration = SenderSupport.configuration(certificateAuthorityFile: certificates.authority)
        try await SenderSupport.withSender(
            configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])
        ) { sender in
            let first = await sender.post(SenderSupport.task("https://hooks.test:\(port)/"))
            #expect(first.kind == .delivered, "\(first)")
            let outcomes = await withTaskGroup(of: WebhookOutcome.self) { group in
                for index in 0..<10 {
                    group.addTask {
                        await sender.post(SenderSupport.task("https://hooks.test:\(port)/", body: "{\(index)}"))
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0.kind == .delivered && $0.status == 202 }, "\(outcomes)")
            #expect(Set(outcomes.map { String(decoding: $0.answer, as: UTF8.self) }).count == 10)
            #expect(connections.load(ordering: .relaxed) == 1, "ten at once over the connection of the first")
        }
        try await server.close()
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            let answer = HTTPResponseHead(version: head.version, status: .accepted)
            context.write(self.wrapOutboundOut(.head(answer)), promise: nil)
        case .body(let buffer):
            context.write(self.wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        case .end:
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
