import AsyncHTTPClient
import JobRunner
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceLifecycle
import Synchronization
import Webhooks

/// Spans that have ended and are not sent yet: so many at most, and those that come then are dropped and counted. Any thread.
final class SpanBuffer: Sendable {
    let exported = Count()
    let dropped = Count()
    private let most: Int
    private let spans = Mutex<[SpanRecord]>([])

    init(most: Int = 8_192) { self.most = most }

    var count: Int { spans.withLock { $0.count } }

    func add(_ span: SpanRecord) {
        let isKept = spans.withLock { spans in
            guard spans.count < most else { return false }
            spans.append(span)
            return true
        }
        if !isKept { dropped.add() }
    }

    /// The oldest, in their order.
    func take(atMost count: Int) -> [SpanRecord] {
        spans.withLock { spans in
            let taken = Array(spans.prefix(count))
            spans.removeFirst(taken.count)
            return taken
        }
    }
}

/// Posts spans to a collector of OpenTelemetry's, over OTLP/HTTP as JSON: 512 at once, after 5 s at the latest (as its SDKs'
/// batch processor does). A collector that is away costs spans, never a job.
struct SpanExporter: Service {
    struct Target: Sendable {
        var endpoint: String
        /// Of the endpoint, as its certificate has to name it.
        var host: String
        var headers: [(name: String, value: String)]
        var service: String
        var instance: String
    }

    let target: Target
    let buffer: SpanBuffer
    let logger: Logger

    private static let batch = 512
    private static let longestWait = Duration.seconds(5)
    private static let look = Duration.milliseconds(200)
    private static let timeout = TimeAmount.seconds(5)
    private static let tries = 3
    private static let maximumAnswerSize = 2 << 20
    /// What OTLP says may be sent again.
    private static let retryable: Set<UInt> = [429, 502, 503, 504]

    func run() async {
        let client = Self.client(for: target)
        let isStopping = Flag()
        await withGracefulShutdownHandler {
            let clock = ContinuousClock()
            var (last, hasComplained) = (clock.now, false)
            while !isStopping.isRaised {
                try? await Task.sleep(for: Self.look)
                let isDue = buffer.count >= Self.batch || clock.now - last >= Self.longestWait
                guard isDue else { continue }
                last = clock.now
                while buffer.count > 0, !isStopping.isRaised {
                    let problem = await export(client, isStopping)
                    if let problem, !hasComplained {
                        logger.warning(
                            "spans cannot be exported; they are dropped until they can",
                            metadata: ["tracing.endpoint": "\(target.endpoint)", "error": "\(problem)"])
                    }
                    hasComplained = problem != nil
                    if problem != nil || buffer.count < Self.batch { break }
                }
            }
        } onGracefulShutdown: {
            isStopping.raise()
        }
        // The runner has stopped: these are the last.
        while buffer.count > 0, await export(client, isStopping) == nil {}
        dropRest()
        try? await client.shutdown()
    }

    /// No byte of a span or a header leaves for a peer whose certificate is not for the collector's name.
    static func client(for target: Target) -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        GuardedConnections(host: target.host, maximumAnswerSize: maximumAnswerSize).install(in: &configuration)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    private func dropRest() { buffer.dropped.add(buffer.take(atMost: .max).count) }

    /// - Returns: what went wrong, where the batch is lost.
    private func export(_ client: HTTPClient, _ isStopping: Flag) async -> String? {
        let spans = buffer.take(atMost: Self.batch)
        guard !spans.isEmpty else { return nil }
        let body = OTLPJSON.request(
            spans, service: target.service, instance: target.instance, version: WorkerVersion.text)
        var problem = ""
        for number in 1...Self.tries {
            var wait = Duration.seconds(1 << (number - 1))
            do {
                let response = try await client.execute(request(body), timeout: Self.timeout)
                // Its answer says nothing that matters; read to its end, the connection can be used again.
                _ = try? await response.body.collect(upTo: 1 << 20)
                if (200..<300).contains(response.status.code) {
                    buffer.exported.add(spans.count)
                    return nil
                }
                problem = "the collector answered \(response.status.code)"
                guard Self.retryable.contains(response.status.code) else { break }
                if let seconds = response.headers.first(name: "Retry-After").flatMap({ Int($0) }) {
                    wait = .seconds(min(max(1, seconds), 30))
                }
            } catch {
                problem = "\(error)"
            }
            guard number < Self.tries, !isStopping.isRaised else { break }
            try? await Task.sleep(for: wait)
        }
        buffer.dropped.add(spans.count)
        return problem
    }

    private func request(_ body: [UInt8]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: target.endpoint)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "chat-worker/\(WorkerVersion.text)")
        for header in target.headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .bytes(body)
        return request
    }
}
