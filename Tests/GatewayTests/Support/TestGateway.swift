import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A gateway that does whatever its script says, byte by byte.
struct TestGateway: Sendable {
    typealias Script = @Sendable (TestPeer) async throws -> Void

    let port: Int
    /// Connections accepted so far.
    let accepted: Counter

    final class Counter: Sendable {
        private let count = Atomic<Int>(0)
        var value: Int { count.load(ordering: .sequentiallyConsistent) }
        func next() -> Int { count.add(1, ordering: .sequentiallyConsistent).oldValue }
    }

    /// Runs `body` against a server whose connections each follow `script`; the peer knows its number, from 0.
    static func run(
        tls: NIOSSLContext? = nil, script: @escaping Script,
        body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        let counter = Counter()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4)))
                }
            }
        let port = listener.channel.localAddress?.port ?? 0
        let server = Task {
            try? await listener.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections {
                        let number = counter.next()
                        group.addTask {
                            try? await connection.executeThenClose { inbound, outbound in
                                let peer = TestPeer(
                                    number: number, channel: connection.channel,
                                    input: inbound.makeAsyncIterator(), output: outbound)
                                try await script(peer)
                            }
                        }
                    }
                }
            }
        }
        do {
            try await body(TestGateway(port: port, accepted: counter))
        } catch {
            server.cancel()
            throw error
        }
        server.cancel()
        _ = await server.value
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

    let number: Int
    let channel: any Channel
    private var input: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let output: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer = ByteBuffer()
    private(set) var maskKeys: [[UInt8]] = []

    init(
        number: Int, channel: any Channel, input: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        output: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
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

    /// The next request (a text message).
    func readRequest() async throws -> String {
        let frame = try await readFrame()
        guard frame.opcode == 1 else { throw EndOfInput() }
        return frame.text
    }

    func send(_ bytes: [UInt8]) async throws { try await output.write(ByteBuffer(bytes: bytes)) }

    func send(_ texts: String...) async throws {
        for text in texts { try await send(ServerFrame.text(text)) }
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
