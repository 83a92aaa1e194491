import Glibc
import Logging
import NIOPosix
import Synchronization
import Testing

@testable import Webhooks

/// Keeps what is logged.
struct RecordingLogHandler: LogHandler {
    final class Lines: Sendable {
        let lines = Mutex<[(level: Logger.Level, message: String, metadata: Logger.Metadata)]>([])
    }

    let recorded: Lines
    /// How long writing a line takes.
    var slowness = Duration.zero
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let end = ContinuousClock.now + self.slowness
        while ContinuousClock.now < end { sched_yield() }
        self.recorded.lines.withLock {
            $0.append((event.level, "\(event.message)", event.metadata ?? [:]))
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct DelivererTests {
    static func with<T>(
        _ configuration: WebhookConfiguration, body: (WebhookDeliverer, RecordingLogHandler.Lines) async throws -> T
    ) async throws -> T {
        let lines = RecordingLogHandler.Lines()
        let logger = Logger(label: "test", factory: { _ in RecordingLogHandler(recorded: lines) })
        let sender = try WebhookSender(
            configuration: configuration, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let deliverer = WebhookDeliverer(sender: sender, logger: logger, random: { 0.5 })
        let result: Result<T, any Error>
        // A client that is dropped before it was shut down ends the process.
        do { result = .success(try await body(deliverer, lines)) } catch { result = .failure(error) }
        await deliverer.shutdown()
        return try result.get()
    }

    @Test func aBoundedNumberIsUnderWay() async throws {
        try await ScriptedServer.with(script: { _ in .held(okay) }) { server in
            try await Self.with(SenderSupport.configuration(concurrency: 3)) { deliverer, _ in
                let task = SenderSupport.task("http://127.0.0.1:\(server.port)/")
                await withTaskGroup(of: WebhookDeliverer.Result.self) { group in
                    for _ in 0..<9 { group.addTask { await deliverer.submit(task) } }
                    // One, two, and then three at once: one more for each answer.
                    for count in [(1, 1), (2, 3), (3, 6), (3, 9)] {
                        #expect(await server.waits { $0.active == count.0 && $0.requests.count == count.1 })
                        server.release()
                    }
                    for await result in group { #expect(result.decision == .delivered) }
                }
                #expect(server.seen.requests.count == 9)
                #expect(server.seen.mostActive == 3)
            }
        }
    }

    @Test func oneLineATryWithoutAnythingSecret() async throws {
        let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 6\r\n\r\nanswer"
        let busy = "HTTP/1.1 503 Busy\r\nretry-after: 77\r\ncontent-length: 0\r\n\r\n"
        try await ScriptedServer.with(script: { request in
            request.line.contains("/gone") ? .reply(gone) : request.line.contains("/busy") ? .reply(busy) : .reply(okay)
        }) { server in
            try await Self.with(SenderSupport.configuration()) { deliverer, lines in
                let origin = "http://127.0.0.1:\(server.port)"
                var decisions: [WebhookDelivery.Decision] = []
                for path in ["/token123?key=hunter2", "/gone", "/busy"] {
                    let task = SenderSupport.task(origin + path, body: #"{"text":"prompt"}"#)
                    decisions.append(await deliverer.submit(task).decision)
                }
                let unknown = await deliverer.submit(.sample(target: .endpoint("nope"), tries: 7))
                decisions.append(unknown.decision)
                #expect(
                    decisions == [
                        .delivered, .dead(.endpointGone), .retry(after: .seconds(77)), .dead(.triesExhausted),
                    ])

                let logged = lines.lines.withLock { $0 }
                #expect(logged.map(\.level) == [.info, .error, .warning, .error])
                #expect(
                    logged.map(\.message) == [
                        "webhook delivered", "webhook given up", "webhook failed", "webhook given up",
                    ])
                #expect(logged[0].metadata["webhook.endpoint"] == "\(origin)")
                #expect(logged[0].metadata["webhook.id"] == "msg_1")
                #expect(logged[0].metadata["job.id"] == "job-1")
                #expect(logged[0].metadata["customer"] == "acme")
                #expect(logged[0].metadata["webhook.try"] == "1")
                #expect(logged[0].metadata["http.status"] == "200")
                #expect(logged[0].metadata["latency_ms"] != nil)
                #expect(logged[1].metadata["webhook.dead_reason"] == "endpoint_gone")
                #expect(logged[2].metadata["retry_after_ms"] == "77000")
                #expect(logged[3].metadata["webhook.try"] == "8")
                #expect(logged[3].metadata["webhook.outcome"] == "refused")
                let text = "\(logged)"
                let secret = String(SenderSupport.secret.reveal().dropFirst(6))
                for word in ["token123", "hunter2", "prompt", "answer", secret] { #expect(!text.contains(word)) }
            }
        }
    }

    @Test func aShutdownHandsEverythingBack() async throws {
        try await ScriptedServer.with(script: { _ in .silence }) { server in
            var configuration = SenderSupport.configuration(concurrency: 2)
            configuration.slowAfter = .seconds(60)
            try await Self.with(configuration) { deliverer, _ in
                let submissions = (0..<5).map { index in
                    Task { await deliverer.submit(SenderSupport.task("http://127.0.0.1:\(server.port)/\(index)")) }
                }
                // More follow as soon as these have been without an answer for a moment.
                #expect(await server.waits { $0.requests.count >= 2 })
                await deliverer.shutdown()
                let posted = server.seen.requests.count
                for submission in submissions { #expect(await submission.value.decision == .handBack) }
                #expect(server.seen.requests.count == posted)
            }
        }
    }

    /// What a try does after its post still needs the event loops: NIO has no place for it when they are gone.
    @Test func aShutdownWaitsForTheLastSteps() async throws {
        try await ScriptedServer.with(script: { _ in .silence }) { server in
            let lines = RecordingLogHandler.Lines()
            let logger = Logger(
                label: "test", factory: { _ in RecordingLogHandler(recorded: lines, slowness: .milliseconds(200)) })
            let sender = try WebhookSender(configuration: SenderSupport.configuration(), logger: logger)
            let deliverer = WebhookDeliverer(sender: sender, logger: logger)
            async let submission = deliverer.submit(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
            #expect(await server.waits { $0.requests.count == 1 })
            await deliverer.shutdown()
            #expect(lines.lines.withLock { $0.count } == 1)
            #expect(await submission.decision == .handBack)
        }
    }

    @Test func aCancelledWaiterLeavesTheQueue() async throws {
        let gate = EndpointGate(
            policy: .init(concurrency: 1), slowAfter: .seconds(60),
            timers: MultiThreadedEventLoopGroup.singleton.next())
        let endpoint = EndpointID(text: "orders")
        #expect(await gate.enter(endpoint) == .granted(0))
        let first = Task { await gate.enter(endpoint) }
        first.cancel()
        #expect(await first.value == .refused)
        #expect(gate.leave(0, .success) == nil)
        #expect(await gate.enter(endpoint) == .granted(2))
        gate.close()
        #expect(await gate.enter(endpoint) == .refused)
    }

    /// One endpoint never answers: after a moment the others have the only slot, and it keeps one connection at most.
    @Test func anEndpointThatNeverAnswersDoesNotHoldTheOthersUp() async throws {
        try await ScriptedServer.with(script: { $0.line.contains("/dead") ? .silence : .reply(okay) }) { server in
            var configuration = SenderSupport.configuration(concurrency: 1)
            configuration.slowAfter = .milliseconds(50)
            try await Self.with(configuration) { deliverer, _ in
                let origin = "http://127.0.0.1:\(server.port)"
                let dead = (0..<4).map { _ in Task { await deliverer.submit(SenderSupport.task("\(origin)/dead")) } }
                for index in 0..<20 {
                    let result = await deliverer.submit(SenderSupport.task("\(origin)/live\(index % 3)"))
                    #expect(result.decision == .delivered)
                }
                #expect(server.seen.requests.count { $0.line.contains("/dead") } == 1)
                await deliverer.shutdown()
                for task in dead {
                    switch await task.value.decision {
                    case .handBack, .postpone: break
                    case let other: Issue.record("\(other)")
                    }
                }
            }
        }
    }

    /// An open breaker spends no try, and a probe that is answered closes it.
    @Test func anOpenBreakerSpendsNoTry() async throws {
        let isUp = Mutex(false)
        try await ScriptedServer.with(script: { _ in
            isUp.withLock { $0 } ? .reply(okay) : .reply("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
        }) { server in
            var configuration = SenderSupport.configuration()
            configuration.breaker = .init(failures: 2, openTime: .milliseconds(300), longestOpenTime: .seconds(1))
            configuration.jitter = 0
            try await Self.with(configuration) { deliverer, lines in
                let task = SenderSupport.task("http://127.0.0.1:\(server.port)/hook?a=1")
                #expect(await deliverer.submit(task).breaker == nil)
                #expect(await deliverer.submit(task).breaker == .open)
                let third = await deliverer.submit(SenderSupport.task("http://127.0.0.1:\(server.port)/hook?a=1"))
                guard case .postpone(let wait) = third.decision else {
                    Issue.record("\(third.decision)")
                    return
                }
                #expect(wait > .zero && wait <= .milliseconds(300))
                #expect(server.seen.requests.count == 2)
                #expect(lines.lines.withLock { $0.count } == 2, "no try, no line")
                isUp.withLock { $0 = true }
                try await Task.sleep(for: wait)
                let probe = await deliverer.submit(task)
                #expect(probe.decision == .delivered && probe.breaker == .closed)
            }
        }
    }
}
