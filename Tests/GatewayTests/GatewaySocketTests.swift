import Logging
import NIOCore
import Testing

@testable import Gateway

/// What the kernel is told about a socket to a gateway.
@Suite(.timeLimit(.minutes(1))) struct GatewaySocketTests {
    /// Bytes that nobody acknowledges for 30 s end the connection, whatever the stream's own times say; a request does not
    /// wait for the acknowledgement of the one before.
    @Test func options() async throws {
        try await TestGateway.run { peer in
            await peer.waitForEnd()
        } body: { gateway in
            let configuration = try gateway.client().configuration
            let loop = GatewayClient.testLoop
            let values = try await loop.flatSubmit { () -> EventLoopFuture<[CInt]> in
                let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                let owner = GatewayLoop(
                    eventLoop: loop, configuration: configuration, tls: nil, metrics: GatewayMetrics(),
                    keys: GatewayKeys(configuration, logger: logger),
                    shapes: GatewayShapes(gateway: "", logger: logger), budget: IdleBudget(maximum: 1), logger: logger)
                return owner.dial().flatMapThrowing { channel in
                    defer { channel.close(promise: nil) }
                    guard let options = channel.syncOptions else { return [] }
                    return [
                        try options.getOption(.tcpOption(.init(rawValue: 18))),
                        try options.getOption(.tcpOption(.tcp_nodelay)),
                        try options.getOption(.socketOption(.so_keepalive)),
                    ].map { CInt($0) }
                }
            }.get()
            #expect(values == [30_000, 1, 1], "TCP_USER_TIMEOUT, TCP_NODELAY, SO_KEEPALIVE")
        }
    }
}
