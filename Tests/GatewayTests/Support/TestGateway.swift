import Gateway
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A gateway that does whatever its script says, byte by byte.
struct TestGateway: Sendable {
    typealias Script = @Sendable (TestPeer) async throws -> Void

    let port: Int
    /// TCP connections accepted so far.
    let accepted: Counter
    var transport = TestTransport.websocket

    final class Counter: Sendable {
        private let count = Atomic<Int>(0)
        var value: Int { count.load(ordering: .sequentiallyConsistent) }
        func next() -> Int { count.add(1, ordering: .sequentiallyConsistent).oldValue }
    }

    /// A client that speaks its protocol.
    func client(change: (inout GatewayConfiguration) -> Void = { _ in }) throws -> GatewayClient {
        try GatewayClient.test(
            port: port, isSecure: transport == .http2, host: transport == .http2 ? "localhost" : "127.0.0.1",
            caFile: transport == .http2 ? try GatewayTLSTests.certificates.get().authorityFile : nil
        ) { configuration in
            if transport != .websocket {
                configuration.transport = .sse
                configuration.endpoint.path = "/v1/chat/completions"
            }
            change(&configuration)
        }
    }

    /// The same over any protocol. Over HTTP/2 each stream follows `script`.
    static func run(
        over transport: TestTransport, script: @escaping Script,
        body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        if transport == .http2 { return try await runHTTP2(script: script, body: body) }
        try await run(transport: transport, script: script, body: body)
    }

    /// Runs `body` against a server whose connections each follow `script`; the peer knows its number, from 0.
    static func run(
        tls: NIOSSLContext? = nil, transport: TestTransport = .websocket, script: @escaping Script,
        body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        let peers = ScriptedPeers(transport: transport, script: script)
        try await listen(peers, accepted: Counter(), transport: transport, body: body) { channel in
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
            try peers.take(channel)
        }
    }

    /// - Parameter accept: prepares a connection, on its event loop.
    static func listen(
        _ peers: ScriptedPeers, accepted: Counter, transport: TestTransport,
        body: @Sendable (TestGateway) async throws -> Void, accept: @escaping @Sendable (any Channel) throws -> Void
    ) async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    _ = accepted.next()
                    try accept(channel)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = listener.localAddress?.port ?? 0
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(TestGateway(port: port, accepted: accepted, transport: transport)))
        } catch { result = .failure(error) }
        await peers.end()
        try await listener.close()
        try result.get()
    }
}

/// The server's end of one connection. Used by its script's task only.
final class TestPeer {
    struct ClientFrame: Equatable {
        var opcode: UInt8
        var payload: [UInt8]
        var isMasked: Bool
        var isFinal: Bool
        var text: String { String(decoding: payload, as: UTF8.self) }
        var closeCode: Int? { opcode == 8 && payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil }
    }

    struct EndOfInput: Error {}

    let transport: TestTransport
    let number: Int
    let channel: any Channel
    /// The head of the last request over HTTP.
    private(set) var requestHead: [String] = []
    private var hasAnswered = false
    private var input: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let output: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer = ByteBuffer()
    private(set) var maskKeys: [[UInt8]] = []
    /// Bytes that came and were not asked for yet.
    var unread: Int { buffer.readableBytes }

    init(
        transport: TestTransport, number: Int, channel: any Channel,
        input: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        output: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.transport = transport
        self.number = number
        self.channel = channel
        self.input = input
        self.output = output
    }

    /// Reads the request head; the lines without their ends.
    func readHead() async throws -> [String] {
        while true {
            let text = String(buffer: buffer)
            if let end = text.firstRange(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                buffer.moveReaderIndex(forwardBy: head.utf8.count + 4)
                return head.split(separator: "\r\n").map(String.init)
            }
            try await more()
        }
    }

    /// Everything up to these bytes, and them.
    func read(through bytes: [UInt8]) async throws {
        while true {
            if let range = Array(buffer.readableBytesView).firstRange(of: bytes) {
                return buffer.moveReaderIndex(forwardBy: range.upperBound)
            }
            try await more()
        }
    }

    /// The answer to an upgrade, for the key in `head`.
    static func acceptance(_ head: [String], key override: String? = nil, extra: [String] = []) -> [UInt8] {
        let key =
            override
            ?? head.first { $0.lowercased().hasPrefix("sec-websocket-key: ") }.map { String($0.dropFirst(19)) } ?? ""
        let digest = SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        let lines =
            [
                "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Accept: \(Base64.encode(digest))",
            ] + extra
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// Upgrades; bytes of `glued` leave in the same write.
    @discardableResult
    func upgrade(glued: [UInt8] = []) async throws -> [String] {
        let head = try await readHead()
        try await send(Self.acceptance(head) + glued)
        return head
    }

    /// The next data or control frame of the client.
    func readFrame() async throws -> ClientFrame {
        while true {
            if let frame = parse() { return frame }
            try await more()
        }
    }

    /// Does what comes before the first request.
    func open() async throws {
        if transport == .websocket { try await upgrade() }
    }

    /// The next request: a text message, or the body of a POST.
    func readRequest() async throws -> String {
        if transport != .websocket { return try await readPost() }
        let frame = try await readFrame()
        guard frame.opcode == 1 else { throw EndOfInput() }
        return frame.text
    }

    func send(_ bytes: [UInt8]) async throws { try await output.write(ByteBuffer(bytes: bytes)) }

    /// Sends messages, each in a write of its own.
    func send(_ texts: String...) async throws {
        for text in texts { try await send(message(text)) }
    }

    /// Sends the last messages of an answer; over HTTP the end of its body as well, in the same write.
    func finish(_ texts: String...) async throws {
        try await send(texts.flatMap { message($0) } + end())
        try await endAnswer()
    }

    /// Behind the bytes of `end()`.
    func endAnswer() async throws {
        if transport == .http2 { try await send([UInt8]()) }
        hasAnswered = false
    }

    /// A message as it travels. Over HTTP the first one of an answer has its head before it.
    func message(_ text: String) -> [UInt8] {
        if transport == .websocket { return ServerFrame.text(text) }
        return body(Array("data: \(text)\n\n".utf8))
    }

    /// The beginning of an answer over HTTP, unless it was made already, and a piece of its body.
    func body(_ bytes: [UInt8]) -> [UInt8] {
        let lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream; charset=utf-8"]
        let head = (lines + (transport == .http1 ? ["Transfer-Encoding: chunked"] : [])).joined(separator: "\r\n")
        defer { hasAnswered = true }
        let chunk =
            transport == .http1 ? Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [13, 10] : bytes
        return (hasAnswered ? [] : Array((head + "\r\n\r\n").utf8)) + (bytes.isEmpty ? [] : chunk)
    }

    /// The end of an answer, as far as it is made of bytes.
    func end() -> [UInt8] { transport == .http1 ? Array("0\r\n\r\n".utf8) : [] }

    private func readPost() async throws -> String {
        requestHead = try await readHead()
        let field = requestHead.first { $0.lowercased().hasPrefix("content-length: ") }
        let length = field.flatMap { Int($0.dropFirst("content-length: ".count)) } ?? 0
        while buffer.readableBytes < length { try await more() }
        return buffer.readString(length: length) ?? ""
    }

    /// Waits for the client's end of file (or reset).
    func waitForEnd() async {
        while true {
            guard let next = try? await input.next(), next.readableBytes >= 0 else { return }
        }
    }

    private func more() async throws {
        guard var bytes = try await input.next() else { throw EndOfInput() }
        buffer.writeBuffer(&bytes)
    }

    private func parse() -> ClientFrame? {
        var view = buffer
        guard let first = view.readInteger(as: UInt8.self), let second = view.readInteger(as: UInt8.self) else {
            return nil
        }
        var length = Int(second & 0x7F)
        if length == 126 {
            guard let long = view.readInteger(as: UInt16.self) else { return nil }
            length = Int(long)
        } else if length == 127 {
            guard let long = view.readInteger(as: UInt64.self) else { return nil }
            length = Int(long)
        }
        let isMasked = second & 0x80 != 0
        var key: [UInt8] = [0, 0, 0, 0]
        if isMasked {
            guard let read = view.readBytes(length: 4) else { return nil }
            key = read
        }
        guard let masked = view.readBytes(length: length) else { return nil }
        buffer = view
        if isMasked { maskKeys.append(key) }
        return ClientFrame(
            opcode: first & 0x0F, payload: masked.enumerated().map { $1 ^ key[$0 % 4] }, isMasked: isMasked,
            isFinal: first & 0x80 != 0)
    }
}
