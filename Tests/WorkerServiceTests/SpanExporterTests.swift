import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import WorkerService

@Suite(.timeLimit(.minutes(1))) struct SpanExporterTests {
    private final class Odd: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let answer: String

        init(_ answer: String) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: answer)), promise: nil)
        }
    }

    /// A collector that is none must not end the worker. Each of these did once, or could.
    @Test(arguments: [
        "HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 099 Odd\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "nonsense\r\n\r\n",
    ])
    func anOddCollectorIsAnOrdinaryFailure(answer: String) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Odd(answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let url = "http://127.0.0.1:\(server.localAddress?.port ?? 0)/v1/traces"
        let client = SpanExporter.client(
            for: .init(endpoint: url, host: "127.0.0.1", headers: [], service: "s", instance: "i"))
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.body = .bytes([1, 2, 3])
        for _ in 0..<3 {
            await #expect(throws: (any Error).self) { try await client.execute(request, timeout: .seconds(10)) }
        }
        try await client.shutdown()
        try await server.close()
    }
}
