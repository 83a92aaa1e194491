internal import ChatModel
internal import Logging
internal import NIOCore

@testable internal import Gateway

/// One connection to the suite, from its upgrade to its close, on the class that the worker speaks to gateways with.
///
/// Bound to its event loop. Its own is only what a message is answered with: the message.
final class EchoSession: BareWebSocketUser {
    private let echoes: Bool
    private let ended: EventLoopPromise<String>
    private var lastMessage = ""

    private init(echoes: Bool, ended: EventLoopPromise<String>) {
        self.echoes = echoes
        self.ended = ended
    }

    /// Returns the last message once the connection is closed.
    ///
    /// - Parameter echoes: messages go back as they came, text as text and binary as binary.
    static func run(port: Int, path: String, echoes: Bool, on loop: any EventLoop) async throws -> String {
        try await loop.flatSubmit {
            let configuration = GatewayConfiguration(
                name: "autobahn", endpoint: .init(isSecure: false, host: "127.0.0.1", port: port, path: path),
                apiKey: "unused")
            let logger = Logger(label: "autobahn") { _ in SwiftLogNoOpLogHandler() }
            let owner = GatewayLoop(
                eventLoop: loop, configuration: configuration, tls: nil, metrics: GatewayMetrics(),
                keys: GatewayKeys(configuration, logger: logger), shapes: GatewayShapes(gateway: "", logger: logger),
                budget: IdleBudget(maximum: 0), logger: logger)
            let promise = loop.makePromise(of: String.self)
            let session = EchoSession(echoes: echoes, ended: promise)
            // The pipeline holds it while it lives.
            WebSocketConnection(owner: owner, model: "echo", user: session, now: .now()).connect(trace: nil)
            return promise.futureResult
        }.get()
    }

    func received(_ message: UnsafeRawBufferPointer, isBinary: Bool, on connection: WebSocketConnection) {
        guard echoes, let context = connection.context else {
            lastMessage = String(decoding: message, as: UTF8.self)
            return
        }
        let frame = WebSocketOutput.frame(
            isBinary ? .binary : .text, payload: message, allocator: context.channel.allocator)
        context.writeAndFlush(connection.wrapOutboundOut(frame), promise: nil)
    }

    func connectionEnded() { ended.succeed(lastMessage) }
}
