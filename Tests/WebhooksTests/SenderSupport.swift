import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import Webhooks

let okay = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

/// Answers from a table that a test may change; records what was asked.
final class TableResolver: HostResolver {
    private let table: Mutex<[String: [IPAddress]]>
    let asked = Mutex<[String]>([])

    init(_ table: [String: [String]]) {
        self.table = Mutex(table.mapValues { $0.compactMap { IPAddress($0) } })
    }

    func set(_ name: String, _ addresses: [String]) {
        self.table.withLock { $0[name] = addresses.compactMap { IPAddress($0) } }
    }

    func addresses(of name: String, deadline: ContinuousClock.Instant) async throws -> [IPAddress] {
        self.asked.withLock { $0.append(name) }
        guard let addresses = self.table.withLock({ $0[name] }) else { throw HostResolverError.failed("unknown") }
        return addresses
    }
}

enum SenderSupport {
    static let secret = WebhookSecret.random()

    /// Loopback is allowed, and plain http to it and to the names of the tests.
    static func configuration(
        timeout: Duration = .seconds(10), allowed: [String] = ["127.0.0.0/8"], certificateAuthorityFile: String? = nil,
        maximumResponseSize: Int = 16_384, concurrency: Int = 8
    ) -> WebhookConfiguration {
        var configuration = WebhookConfiguration(
            defaultSecrets: [self.secret], timeout: timeout, concurrency: concurrency,
            insecureHosts: ["127.0.0.1", "hooks.test", "localhost"],
            allowedNetworks: allowed.compactMap { CIDRBlock($0) },
            certificateAuthorityFile: certificateAuthorityFile, maximumResponseSize: maximumResponseSize,
            userAgent: "chat-worker/test")
        // The tasks of the tests are from 2023.
        configuration.maximumAge = .seconds(1_000_000_000)
        return configuration
    }

    static func task(_ url: String, body: String = #"{"type":"x"}"#) -> WebhookTask {
        WebhookTask.sample(target: .url(url), body: body)
    }

    static func withSender<T>(
        _ configuration: WebhookConfiguration = configuration(), resolver: (any HostResolver)? = nil,
        wallClock: (@Sendable () -> Int64)? = nil, body: (WebhookSender) async throws -> T
    ) async throws -> T {
        let sender = try WebhookSender(
            configuration: configuration, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), resolver: resolver,
            wallClock: wallClock)
        do {
            let result = try await body(sender)
            await sender.shutdown()
            return result
        } catch {
            await sender.shutdown()
            throw error
        }
    }

    /// One try against a server that answers with `reaction`.
    static func outcome(
        of reaction: ScriptedServer.Reaction, _ configuration: WebhookConfiguration = configuration()
    ) async throws -> (WebhookOutcome, ScriptedServer.Seen) {
        try await ScriptedServer.with(script: { _ in reaction }) { server in
            try await self.withSender(configuration) { sender in
                let outcome = await sender.post(self.task("http://127.0.0.1:\(server.port)/hook"))
                return (outcome, server.seen)
            }
        }
    }
}
