import ChaosKit
import NIOCore
import NIOPosix
import TestSupport
import Testing

/// What the network of the chaos suite does to two programs that talk through it.
@Suite(.serialized, .timeLimit(.minutes(1))) struct TCPProxyTests {
    @Test func itPassesOnBothWaysAndTellsTheEnd() async throws {
        try await Wire.run { wire in
            try await wire.send("up", from: .client)
            try await wire.server.expect("up")
            try await wire.send("down", from: .server)
            try await wire.client.expect("down")
            try await wire.client.close()
            try await wire.server.expectEnd()
        }
    }

    @Test func aCutEndsBothSides() async throws {
        try await Wire.run { wire in
            #expect(try await wire.proxy.cut() == 1)
            try await wire.client.expectEnd()
            try await wire.server.expectEnd()
        }
    }

    /// What was swallowed never arrives; the other way works; and the server does not hear of the client's end.
    @Test func aHalfOpenConnectionSaysNothing() async throws {
        try await Wire.run { wire in
            #expect(try await wire.proxy.swallow([.up], of: .all) == 1)
            try await wire.send("lost", from: .client)
            try await wire.send("seen", from: .server)
            try await wire.client.expect("seen")
            try await wire.client.close()
            #expect(wire.server.hasEnded == false)
            try await wire.server.close()
            #expect(wire.server.text == "")
        }
    }

    @Test func aDelayKeepsTheOrder() async throws {
        try await Wire.run { wire in
            try await wire.proxy.delay(200)
            try await wire.send("first ", from: .client)
            try await wire.proxy.delay(0)
            try await wire.send("second", from: .client)
            try await wire.server.expect("first second")
        }
    }

    @Test func aRefusalResetsNewConnections() async throws {
        try await Wire.run { wire in
            try await wire.proxy.refuse(true)
            // The reset may come before the client has looked whether it is connected.
            if let late = try? await Wire.End.connect(to: wire.proxy.port) { try await late.expectEnd() }
            try await wire.proxy.refuse(false)
            try await wire.send("still there", from: .client)
            try await wire.server.expect("still there")
        }
    }

    @Test func connectionsAreToldApartByTheirNames() async throws {
        try await Wire.run { wire in
            let name = "chat-worker host consumer"
            var head = "connection_nameS\u{0}\u{0}\u{0}"
            head += String(UnicodeScalar(UInt8(name.utf8.count)))
            try await wire.send(head + String(name.prefix(4)), from: .client)
            try await wire.server.expect(head + String(name.prefix(4)))
            try await wire.send(String(name.dropFirst(4)) + "more", from: .client)
            _ = try await wire.proxy.log.first("name") { $0 == .named(name) ? true : nil }
            #expect(try await wire.proxy.cut(.role("publisher")) == 0)
            #expect(try await wire.proxy.cut(.role("consumer")) == 1)
            try await wire.server.expectEnd()
            #expect(wire.proxy.log.events.last == .closed(name))
        }
    }

    @Test(arguments: [
        ("", nil), ("connection_name", nil), ("xxconnection_nameS\u{0}\u{0}\u{0}\u{3}ab", nil),
        ("xxconnection_nameS\u{0}\u{0}\u{0}\u{3}abcd", "abc"), ("connection_nameS\u{7F}\u{7F}\u{7F}\u{7F}ab", nil),
        ("connection_nameI\u{0}\u{0}\u{0}\u{3}abcd", nil),
    ])
    func namesAreReadFromTheFirstBytes(bytes: String, name: String?) {
        #expect(ConnectionName.find(in: Array(bytes.utf8)) == name)
    }
}

/// A client and a server with a proxy between them.
private struct Wire {
    enum Side { case client, server }

    let proxy: TCPProxy
    let client: End
    let server: End

    static func run(_ body: (Wire) async throws -> Void) async throws {
        let accepted = EventLog<End>()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let end = End(channel)
                    try channel.pipeline.syncOperations.addHandler(Reader(end.log))
                    accepted.append(end)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let proxy = try await TCPProxy.start(target: listener.localAddress?.port ?? 0)
        let client = try await End.connect(to: proxy.port)
        let server = try await accepted.first("connection") { $0 }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(Wire(proxy: proxy, client: client, server: server)))
        } catch {
            result = .failure(error)
        }
        try await proxy.stop()
        try await listener.close()
        try result.get()
    }

    func send(_ text: String, from side: Side) async throws {
        let end = side == .client ? client : server
        try await end.channel.writeAndFlush(ByteBuffer(string: text))
    }

    /// One end, and what it has received; `nil` is the end.
    struct End: Sendable {
        let channel: any Channel
        let log = EventLog<String?>()

        init(_ channel: any Channel) { self.channel = channel }

        static func connect(to port: Int) async throws -> End {
            let ends = EventLog<End>()
            _ = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let end = End(channel)
                        try channel.pipeline.syncOperations.addHandler(Reader(end.log))
                        ends.append(end)
                    }
                }
                .connect(host: "127.0.0.1", port: port).get()
            return try await ends.first("end") { $0 }
        }

        var text: String { log.events.compactMap { $0 }.joined() }
        var hasEnded: Bool { log.events.contains(nil) }

        func expect(_ text: String) async throws {
            try await log.wait("'\(text)'", timeout: .seconds(10)) { $0.compactMap { $0 }.joined() == text }
        }

        func expectEnd() async throws { try await log.wait("the end", timeout: .seconds(10)) { $0.contains(nil) } }
        func close() async throws { try? await channel.close() }
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let log: EventLog<String?>

        init(_ log: EventLog<String?>) { self.log = log }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            log.append(String(buffer: unwrapInboundIn(data)))
        }

        func channelInactive(context: ChannelHandlerContext) { log.append(nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
