import ChatModel
import Gateway
import Logging
import NIOCore
import NIOPosix

/// What a stream's handler saw, as a sequence that a test waits on.
enum StreamEvent: Sendable, Equatable {
    case started(reused: Bool)
    /// The raw content of choice 0; `nil` for a chunk without.
    case chunk(String)
    case ended(GatewayStreamEnd)
}

final class StreamRecorder: GatewayStreamHandler {
    let onEvent: (StreamEvent) -> Void

    init(onEvent: @escaping (StreamEvent) -> Void) { self.onEvent = onEvent }

    func streamStarted(onReusedConnection reused: Bool) { onEvent(.started(reused: reused)) }

    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        let content = bytes[chunk.content]
        onEvent(.chunk(String(decoding: content, as: UTF8.self)))
    }

    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer) {
        onEvent(.chunk(String(decoding: bytes[text.range], as: UTF8.self)))
    }

    func streamEnded(_ end: GatewayStreamEnd) { onEvent(.ended(end)) }
}

/// A stream opened by a test, and everything its handler sees.
final class OpenStream: Sendable {
    let events: AsyncStream<StreamEvent>
    private let stream: NIOLoopBound<GatewayStream>

    init(events: AsyncStream<StreamEvent>, stream: NIOLoopBound<GatewayStream>) {
        self.events = events
        self.stream = stream
    }

    func cancel() async throws { try await onLoop { $0.cancel() } }
    func pause() async throws { try await onLoop { $0.pauseReading() } }
    func resume() async throws { try await onLoop { $0.resumeReading() } }

    private func onLoop(_ body: @escaping @Sendable (GatewayStream) -> Void) async throws {
        try await stream.eventLoop.submit { [stream] in body(stream.value) }.get()
    }

    /// Everything up to the end.
    func all() async throws -> [StreamEvent] {
        try await deadline {
            var events: [StreamEvent] = []
            for await event in self.events { events.append(event) }
            return events
        }
    }

    /// The joined text and the end.
    func result() async throws -> (text: String, end: GatewayStreamEnd?) {
        var text = ""
        var end: GatewayStreamEnd?
        for event in try await all() {
            if case .chunk(let part) = event { text += part }
            if case .ended(let it) = event { end = it }
        }
        return (text, end)
    }

    func failure() async throws -> GatewayFailure? {
        if case .failed(let failure) = try await result().end { failure } else { nil }
    }

    /// Waits for one event.
    func wait(for wanted: StreamEvent) async throws {
        try await deadline {
            for await event in self.events where event == wanted { return }
            throw DeadlineExceeded()
        }
    }
}

struct DeadlineExceeded: Error {}

/// Fails where `body` takes longer than any machine should need.
func deadline<Result: Sendable>(
    _ limit: Duration = .seconds(20), _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: limit)
            throw DeadlineExceeded()
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw DeadlineExceeded() }
        return first
    }
}

/// A signal between a script and its test.
struct Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func fire() { continuation.yield() }

    func wait() async throws {
        try await deadline { [stream] in
            for await _ in stream { return }
        }
    }
}

extension GatewayClient {
    /// A client of a test gateway on loopback.
    static func test(
        port: Int, isSecure: Bool = false, host: String = "127.0.0.1", caFile: String? = nil,
        change: (inout GatewayConfiguration) -> Void = { _ in }
    ) throws -> GatewayClient {
        var configuration = GatewayConfiguration(
            name: "test",
            endpoint: .init(
                isSecure: isSecure, host: host, port: port, path: "/v1/realtime/chat/completions"),
            apiKey: "sk-test-0123456789", certificateAuthorityFile: caFile, endGrace: .milliseconds(50))
        change(&configuration)
        return try GatewayClient(
            configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    static let testLoop = MultiThreadedEventLoopGroup.singleton.next()

    func start(
        _ model: String = "m", body: String = "{}", choices: Int = 1, trace: TraceContext? = nil,
        paused: Bool = false, on loop: any EventLoop = testLoop,
        change: @escaping @Sendable (inout GatewayRequest) -> Void = { _ in }
    ) async throws -> OpenStream {
        try await loop.submit {
            let (events, continuation) = AsyncStream<StreamEvent>.makeStream()
            let recorder = StreamRecorder { event in
                continuation.yield(event)
                if case .ended = event { continuation.finish() }
            }
            var request = GatewayRequest(
                model: model, body: ByteBuffer(string: body), choiceCount: choices, trace: trace)
            change(&request)
            let stream = self.open(request, on: loop, handler: recorder)
            if paused { stream.pauseReading() }
            return OpenStream(events: events, stream: NIOLoopBound(stream, eventLoop: loop))
        }.get()
    }
}
