import ChatModel
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Webhooks

/// Over real sockets on loopback.
@Suite(.timeLimit(.minutes(1))) struct SenderTests {
    @Test func postsExactlyTheBytesSignedWithAFreshTimestamp() async throws {
        let body = #"{"type":"chat.completion.completed","data":"안녕 \ud83d\ude00"}"#
        let path = "/a%2Fb/../c;p=1/?q=%20&x=a%2Bb'()*!$,:@/?&token=secret"
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            let clock = Mutex<Int64>(1_700_000_000_999)
            try await SenderSupport.withSender(wallClock: { clock.withLock { $0 } }) { sender in
                var task = SenderSupport.task("http://127.0.0.1:\(server.port)\(path)", body: body)
                task.trace = TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                for second in Int64(0)..<2 {
                    clock.withLock { $0 = 1_700_000_000_999 + second * 1_000 }
                    let outcome = await sender.post(task)
                    #expect(outcome.kind == .delivered)
                    #expect(outcome.status == 200)
                    #expect(outcome.answer == Array("ok".utf8))
                }
            }
            let requests = server.seen.requests
            #expect(requests.count == 2)
            let verifier = WebhookVerifier(secrets: [SenderSupport.secret], tolerance: 0)
            for (index, request) in requests.enumerated() {
                #expect(request.line == "POST \(path) HTTP/1.1")
                #expect(request.headers["host"] == "127.0.0.1:\(server.port)")
                #expect(request.headers["content-type"] == "application/json")
                #expect(request.headers["user-agent"] == "chat-worker/test")
                #expect(request.headers["webhook-id"] == "msg_1")
                #expect(request.headers["webhook-timestamp"] == "\(1_700_000_000 + index)")
                #expect(request.headers["traceparent"]?.hasPrefix("00-0af7") == true)
                #expect(request.headers["accept-encoding"] == nil)
                #expect(request.body == Array(body.utf8))
                try verifier.verify(
                    headers: { request.headers[$0] }, body: request.body, now: 1_700_000_000 + Int64(index))
            }
            // The second went over the connection of the first.
            #expect(requests.map(\.connection) == [1, 1])
        }
    }

    @Test(
        arguments: [
            (.reply(okay), .delivered, 200, "ok"),
            (.reply("HTTP/1.1 204 No Content\r\n\r\n"), .delivered, 204, ""),
            (
                .reply("HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), .delivered,
                202, "ab"
            ),
            (.replyAndClose("HTTP/1.0 200 OK\r\n\r\nuntil the end"), .delivered, 200, "until the end"),
            (.reply("HTTP/1.1 100 Continue\r\n\r\n" + okay), .delivered, 200, "ok"),
            (.reply("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + okay), .delivered, 200, "ok"),
            (.reply("HTTP/1.1 304 Not Modified\r\n\r\n"), .status(304), 304, ""),
            (.reply("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad"), .status(400), 400, "bad"),
            (.reply("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"), .status(410), 410, ""),
            (.reply("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"), .status(500), 500, ""),
            (.replyAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"), .delivered, 200, "half"),
            (.replyAndClose("HTTP/1.1 200 OK\r\ncontent-le"), nil, nil, ""),
            (.replyAndClose(""), .closed, nil, ""),
            (.reset, .closed, nil, ""),
            (.reply("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n"), .invalidResponse, nil, ""),
            (.reply("HTTP/1.1 abc\r\n\r\n"), .invalidResponse, nil, ""),
            (.reply("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), .invalidResponse, nil, ""),
            (.reply("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), .delivered, 200, ""),
        ] as [(ScriptedServer.Reaction, WebhookOutcome.Kind?, Int?, String)])
    func judgesAnswers(
        reaction: ScriptedServer.Reaction, kind: WebhookOutcome.Kind?, status: Int?, answer: String
    ) async throws {
        let (outcome, seen) = try await SenderSupport.outcome(of: reaction)
        if let kind {
            #expect(outcome.kind == kind, "\(outcome.detail)")
        } else {
            // Which of the two a cut answer is depends on where it was cut.
            #expect(outcome.kind == .closed || outcome.kind == .invalidResponse, "\(outcome)")
        }
        #expect(outcome.status == status)
        #expect(outcome.answer == Array(answer.utf8))
        #expect(seen.requests.count == 1)
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func followsNoRedirect(status: Int) async throws {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { inside in
            let location = "http://127.0.0.1:\(inside.port)/latest/meta-data"
            let answer = "HTTP/1.1 \(status) Moved\r\nlocation: \(location)\r\ncontent-length: 0\r\n\r\n"
            let (outcome, _) = try await SenderSupport.outcome(of: .reply(answer))
            #expect(outcome.kind == .status(status))
            let connections = try await inside.connectionsMade()
            #expect(connections == 0)
        }
    }

    @Test(
        arguments: [
            ("17", .seconds(17)), ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(90)), ("nonsense", nil),
        ] as [(String, Duration?)])
    func readsRetryAfter(header: String, wait: Duration?) async throws {
        let answer = "HTTP/1.1 429 Too Many\r\nretry-after: \(header)\r\ncontent-length: 0\r\n\r\n"
        try await ScriptedServer.with(script: { _ in .reply(answer) }) { server in
            try await SenderSupport.withSender(wallClock: { 784_111_777_000 - 90_000 }) { sender in
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == .status(429))
                #expect(outcome.retryAfter == wait)
            }
        }
    }

    @Test func aRefusedConnectionIsAConnectFailure() async throws {
        let server = try await ScriptedServer.start { _ in .reply(okay) }
        let port = server.port
        await server.stop()
        try await SenderSupport.withSender { sender in
            let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(port)/"))
            #expect(outcome.kind == .connect)
        }
    }

    /// Never answers; drips a head; drips interim answers.
    @Test(
        arguments: [
            .silence,
            .drip(head: "HTTP/1.1 200 OK\r\n", piece: "x-a: b\r\n", pause: .milliseconds(20)),
            .drip(head: "", piece: "HTTP/1.1 100 Continue\r\n\r\n", pause: .milliseconds(100)),
        ] as [ScriptedServer.Reaction])
    func theDeadlineHolds(reaction: ScriptedServer.Reaction) async throws {
        try await ScriptedServer.with(script: { _ in reaction }) { server in
            try await SenderSupport.withSender(SenderSupport.configuration(timeout: .milliseconds(400))) { sender in
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == .timeout, "\(outcome)")
                #expect(outcome.latency >= .milliseconds(390) && outcome.latency < .seconds(15))
                // Its connection is not kept.
                #expect(await server.waits { $0.closed == 1 })
            }
        }
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n", .delivered),
            ("HTTP/1.1 500 Oops\r\n\r\n", .status(500)),
        ] as [(String, WebhookOutcome.Kind)])
    func anEndlessAnswerIsCut(head: String, kind: WebhookOutcome.Kind) async throws {
        try await ScriptedServer.with(script: { _ in .endless(head: head) }) { server in
            try await SenderSupport.withSender { sender in
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == kind)
                #expect(outcome.answer == [UInt8](repeating: UInt8(ascii: "x"), count: 1_024))
                #expect(await server.waits { $0.closed == 1 })
                // What the kernels' buffers hold, not the gigabyte.
                #expect(server.seen.bytesWritten < 32_000_000)
            }
        }
    }

    @Test func endlessHeadersAreNotReadForEver() async throws {
        let line = "x-a: " + String(repeating: "b", count: 8_000) + "\r\n"
        let (outcome, _) = try await SenderSupport.outcome(
            of: .reply("HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 400)))
        #expect(outcome.kind == .invalidResponse, "\(outcome)")
    }

    /// Each is small, and whole for the parser; together they are more than any answer.
    @Test func endlessInterimAnswersAreNotReadForEver() async throws {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        let (outcome, _) = try await SenderSupport.outcome(
            of: .reply(String(repeating: hint, count: 60_000) + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        #expect(outcome.kind == .invalidResponse, "\(outcome)")
    }

    @Test func aCompressedAnswerStaysAsItIs() async throws {
        // A gzip stream of zeros: 45 bytes that would become 1,000.
        let zipped: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0x63, 0x60, 0x18, 5, 0xa3, 0x60, 0x14, 0x0c]
        let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: \(zipped.count)\r\n\r\n"
        let (outcome, _) = try await SenderSupport.outcome(of: .replyBytes(Array(head.utf8) + zipped))
        #expect(outcome.kind == .delivered)
        #expect(outcome.answer == zipped)
    }

    /// 325 KB that would become 52 MB: neither unpacked nor read to its end.
    @Test func aGzipBombStaysPacked() async throws {
        let bomb = Self.bomb(matches: 200_000)
        let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: \(bomb.count)\r\n\r\n"
        try await ScriptedServer.with(script: { _ in .replyBytes(Array(head.utf8) + bomb) }) { server in
            try await SenderSupport.withSender { sender in
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                #expect(outcome.kind == .delivered)
                #expect(outcome.answer == Array(bomb.prefix(1_024)))
                #expect(await server.waits { $0.closed == 1 })
            }
        }
    }

    /// A gzip stream of zeros: a literal, then so many times the 258 bytes before, in one block of fixed codes (RFC 1951).
    private static func bomb(matches: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]
        var (byte, count) = (UInt8(0), 0)
        func put(_ bits: String) {
            for bit in bits.utf8 {
                if bit == UInt8(ascii: "1") { byte |= 1 << count }
                count += 1
                if count == 8 {
                    bytes.append(byte)
                    (byte, count) = (0, 0)
                }
            }
        }
        put("110" + "00110000")
        for _ in 0..<matches { put("11000101" + "00000") }
        put("0000000" + "0000000")
        return bytes
    }

    @Test func anAnswerBeforeTheEndOfTheRequestIsNoCrash() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    GreetingHandler(greeting: "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", closes: true))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await SenderSupport.withSender { sender in
            for size in [10, 20_000_000] {
                let body = String(repeating: "x", count: size)
                let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(port)/", body: body))
                #expect(outcome.kind != .delivered && outcome.kind != .abandoned, "\(outcome)")
            }
        }
        try await server.close()
    }

    @Test func aCancelledPostIsAbandoned() async throws {
        try await ScriptedServer.with(script: { _ in .silence }) { server in
            try await SenderSupport.withSender { sender in
                let post = Task { await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/")) }
                #expect(await server.waits { $0.requests.count == 1 })
                post.cancel()
                #expect(await post.value.kind == .abandoned)
            }
        }
    }

    @Test func aShutdownCutsWhatIsUnderWay() async throws {
        try await ScriptedServer.with(script: { _ in .silence }) { server in
            let sender = try WebhookSender(
                configuration: SenderSupport.configuration(),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
            let task = SenderSupport.task("http://127.0.0.1:\(server.port)/")
            let posts = (0..<4).map { _ in Task { await sender.post(task) } }
            #expect(await server.waits { $0.requests.count == 4 })
            await sender.shutdown()
            await sender.shutdown()
            for post in posts { #expect(await post.value.kind == .abandoned) }
            #expect(await sender.post(task).kind == .abandoned)
        }
    }

    /// Posts at every stage while the sender goes away: none may hang, and nothing may trap.
    @Test func aShutdownAtAnyMomentEndsEveryPost() async throws {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            for _ in 0..<20 {
                let sender = try WebhookSender(
                    configuration: SenderSupport.configuration(),
                    logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
                await withTaskGroup(of: WebhookOutcome.self) { group in
                    for host in ["localhost", "127.0.0.1", "127.0.0.1", "localhost"] {
                        group.addTask {
                            await sender.post(SenderSupport.task("http://\(host):\(server.port)/"))
                        }
                    }
                    await Task.yield()
                    await sender.shutdown()
                    for await outcome in group {
                        #expect([.abandoned, .delivered, .refused].contains(outcome.kind), "\(outcome)")
                    }
                }
            }
        }
    }
}
