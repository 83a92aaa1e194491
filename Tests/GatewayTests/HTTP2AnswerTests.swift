import Gateway
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOSSL
import TestSupport
import Testing

/// Heads of HTTP/2 answers that no HTTP knows, over real sockets: the codec behind them must not be the one to find out.
@Suite(.timeLimit(.minutes(2))) struct HTTP2AnswerTests {
    /// Answers each request with these header blocks as they are, and `AnswerText` behind them if `hasBody`.
    private static func run(
        _ blocks: [HPACKHeaders], hasBody: Bool, body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        let tls = try GatewayTLSTests.certificates.get().server("good", protocols: ["h2"])
        let peers = ScriptedPeers(transport: .http2) { _ in }
        try await TestGateway.listen(peers, accepted: .init(), transport: .http2, body: body) { channel in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(NIOSSLServerHandler(context: tls))
            try pipeline.addHandler(
                NIOHTTP2Handler(mode: .server, headerBlockValidation: .disabled, contentLengthValidation: .disabled))
            let multiplexer = HTTP2StreamMultiplexer(mode: .server, channel: channel) { stream in
                stream.eventLoop.makeCompletedFuture {
                    try stream.pipeline.syncOperations.addHandler(Answerer(blocks: blocks, hasBody: hasBody))
                }
            }
            try pipeline.addHandler(multiplexer)
        }
    }

    private final class Answerer: ChannelInboundHandler {
        typealias InboundIn = HTTP2Frame.FramePayload
        typealias OutboundOut = HTTP2Frame.FramePayload
        private let blocks: [HPACKHeaders]
        private let hasBody: Bool
        private var hasAnswered = false

        init(blocks: [HPACKHeaders], hasBody: Bool) {
            self.blocks = blocks
            self.hasBody = hasBody
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard !hasAnswered else { return }
            hasAnswered = true
            for (number, block) in blocks.enumerated() {
                let isLast = number == blocks.count - 1 && !hasBody
                context.write(wrapOutboundOut(.headers(.init(headers: block, endStream: isLast))), promise: nil)
            }
            if hasBody {
                let text = "data: \(AnswerText.chunk("hi"))\n\ndata: \(AnswerText.finish())\n\ndata: [DONE]\n\n"
                context.write(
                    wrapOutboundOut(.data(.init(data: .byteBuffer(ByteBuffer(string: text)), endStream: true))),
                    promise: nil)
            }
            context.flush()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }

    private static let type = ("content-type", "text/event-stream")

    @Test(
        arguments: [
            "-1", "-200", "0", "000", "1", "12", "099", "20", "2000", "+20", "9223372036854775807",
            "-9223372036854775808", "99999999999999999999", "2OO", "\u{0662}\u{0660}\u{0660}", "", "0x1",
        ], [false, true])
    func oddStatus(_ status: String, _ hasBody: Bool) async throws {
        try await Self.run([HPACKHeaders([(":status", status), Self.type])], hasBody: hasBody) { gateway in
            let client = try gateway.client()
            for _ in 0..<2 {
                let (text, end) = try await client.start().result()
                guard case .failed(let failure) = end else {
                    Issue.record("\(status) passed for an answer: \(end)")
                    continue
                }
                #expect(text.isEmpty && failure.code.hasPrefix("gateway_"))
                let isTold = failure.code == "gateway_protocol_error" && failure.stage == .request
                #expect(isTold || status.isEmpty, "\(failure)")
            }
            await client.shutdown()
        }
    }

    @Test(arguments: [
        // Without a status, with two, and twice a final head.
        [HPACKHeaders([type])], [HPACKHeaders([(":status", "200"), (":status", "-1"), type])],
        [HPACKHeaders([(":status", "200"), type]), HPACKHeaders([(":status", "-1"), type])],
        // "Informational", and then not.
        [HPACKHeaders([(":status", "103")]), HPACKHeaders([(":status", "-1"), type])],
        [HPACKHeaders([(":status", "101")]), HPACKHeaders([(":status", "200"), type])],
        // What only a request has, and what nobody knows.
        [HPACKHeaders([(":method", "GET"), (":path", "/"), type])], [HPACKHeaders([(":odd", "1"), type])],
        [HPACKHeaders([(":status", "200"), ("content-length", "-1"), type])], [HPACKHeaders()],
    ])
    func oddHeads(_ blocks: [HPACKHeaders]) async throws {
        for hasBody in [false, true] {
            try await Self.run(blocks, hasBody: hasBody) { gateway in
                let client = try gateway.client {
                    $0.firstChunkTimeout = .seconds(5)
                }
                let (_, end) = try await client.start().result()
                guard case .failed(let failure) = end else { return }
                #expect(failure.code.hasPrefix("gateway_"))
                await client.shutdown()
            }
        }
    }

    /// Early hints come before an answer that is as good as any.
    @Test func earlyHints() async throws {
        let blocks = [HPACKHeaders([(":status", "103")]), HPACKHeaders([(":status", "200"), Self.type])]
        try await Self.run(blocks, hasBody: true) { gateway in
            let client = try gateway.client()
            let (text, end) = try await client.start().result()
            #expect(text == "hi" && end == .complete)
            await client.shutdown()
        }
    }
}
