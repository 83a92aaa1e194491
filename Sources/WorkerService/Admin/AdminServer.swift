import ChatModel
import Glibc
import Hummingbird
import JobRunner
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Health, metrics and state over HTTP, for operators. On an event loop of its own, so that nobody who asks delays a token.
/// Where its address cannot be had the worker works without it, and says so.
struct AdminServer: Service {
    let address: AdminAddress
    let allowsRemote: Bool
    let runner: JobRunner
    /// The loops of the token path, whose lag is measured.
    let loops: [any EventLoop]
    let worker: String
    /// Raised when the worker takes no more jobs.
    let isDraining: Flag
    /// Where the worker traces.
    let spans: SpanBuffer?
    let actions: AdminActions
    let logger: Logger

    /// The event loop, one for the process. It is never shut down: Hummingbird's task that stops the server goes on when the
    /// server has returned, and asks the event loop a last time.
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    func run() async throws {
        let group = Self.group
        let lag = Histogram(bounds: Self.lagBounds)
        let probe = Task {
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                for loop in loops {
                    let asked = NIODeadline.now()
                    loop.execute { lag.record(nanoseconds: UInt64(max(0, (NIODeadline.now() - asked).nanoseconds))) }
                }
            }
        }
        let isClosing = actions.desk.isClosing
        do {
            try await withGracefulShutdownHandler {
                try await serve { application(at: $0, group, lag, isClosing) }
            } onGracefulShutdown: {
                isClosing.raise()
            }
        } catch is CancellationError {
        } catch {
            logger.warning(
                "the admin server cannot listen; the worker works without it",
                metadata: ["admin.listen": "\(address)", "error": "\(error)"])
            try? await gracefulShutdown()
        }
        // The loops that it asks may be gone when the server has returned.
        probe.cancel()
        await probe.value
    }

    private static let lagBounds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

    /// Workers of one machine and one configuration stand next to each other: where the port is taken, the next one is tried.
    private static let mostPorts = 10

    private func serve<App: ApplicationProtocol>(_ make: (AdminAddress) -> App) async throws {
        var place = address
        if case .unix(let path) = address {
            let socket = try AdminSocket(path)
            defer { socket.release() }
            return try await make(address).run()
        }
        for number in 1...Self.mostPorts {
            do {
                return try await make(place).run()
            } catch let error as IOError where error.errnoCode == EADDRINUSE && number < Self.mostPorts {
                guard let next = place.next else { throw error }
                place = next
            }
        }
    }

    private func application(
        at address: AdminAddress, _ group: MultiThreadedEventLoopGroup, _ lag: Histogram, _ isClosing: Flag
    ) -> some ApplicationProtocol {
        let started = WallClock.now()
        let (runner, worker, isDraining) = (runner, worker, isDraining)
        let metrics = AdminMetrics(runner: runner, loopLag: lag, spans: spans, version: WorkerVersion.text)
        @Sendable func status() -> AdminStatus {
            AdminStatus(
                runner: runner, snapshot: runner.snapshot, worker: worker, version: WorkerVersion.text,
                started: started,
                isDraining: isDraining.isRaised)
        }
        @Sendable func liveStatus() async -> JSONValue {
            let live = await runner.live()
            return status().json(at: WallClock.now(), live)
        }
        let events = AdminEvents(isClosing: isClosing, status: liveStatus)
        let desk = actions.desk
        let router = Router(context: AdminContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: HostGuard(address: address, allowsRemote: allowsRemote))
        router.add(middleware: AdminMethods())
        router.get("/live") { _, _ in AdminResponse.text(.ok, "text/plain; charset=utf-8", "alive\n") }
        router.get("/ready") { _, _ in
            let reasons = status().reasons
            let body = JSONValue.object([
                .init("ready", .bool(reasons.isEmpty)), .init("reasons", .array(reasons.map { .string($0) })),
            ])
            return AdminResponse.json(reasons.isEmpty ? .ok : .serviceUnavailable, body)
        }
        router.get("/metrics") { _, _ in
            AdminResponse.text(.ok, "text/plain; version=0.0.4; charset=utf-8", metrics.text)
        }
        router.get("/status") { _, _ in
            AdminResponse.json(.ok, await liveStatus())
        }
        router.get("/events") { _, _ in try events.response() }
        router.get("/queues") { _, _ in
            let lengths = try await AdminActions.mapping { try await desk.queueLengths() }
            let queues = lengths.map { queue in
                JSONValue.object([
                    .init("queue", .string(queue.name)), .init("messages", .integer(queue.messages)),
                    .init("consumers", .integer(queue.consumers)),
                ])
            }
            return AdminResponse.json(.ok, .object([.init("queues", .array(queues))]))
        }
        router.get("/dead") { _, _ in
            let letters = try await AdminActions.mapping { try await desk.deadLetters() }
            return AdminResponse.json(
                .ok, .object([.init("letters", .array(letters.map { .object(DeadLetterRecord.summary($0)) }))]))
        }
        actions.add(to: router)
        router.get("/") { _, _ in AdminPage.response() }
        let bind: BindAddress =
            switch address {
            case .host(let host, let port): .hostname(host, port: port)
            case .unix(let path): .unixDomainSocket(path: path)
            }
        var quiet = logger
        quiet.logLevel = .warning
        let (told, listening) = (logger, address)
        return Application(
            router: router, server: AdminChannel.builder(),
            configuration: .init(address: bind, serverName: nil, backlog: 16),
            onServerRunning: { _ in
                told.info("the admin server listens", metadata: ["admin.listen": "\(listening)"])
            },
            eventLoopGroupProvider: .shared(group), logger: quiet)
    }
}

enum AdminResponse {
    static func json(_ status: HTTPResponse.Status, _ value: JSONValue) -> Response {
        text(status, "application/json", String(decoding: value.serialized(), as: UTF8.self) + "\n")
    }

    static func text(_ status: HTTPResponse.Status, _ type: String, _ text: String) -> Response {
        Response(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}

/// Raised once, read by many.
final class Flag: Sendable {
    private let raised = Atomic<Bool>(false)
    var isRaised: Bool { raised.load(ordering: .relaxed) }
    func raise() { raised.store(true, ordering: .relaxed) }
}

extension AdminAddress: CustomStringConvertible {
    var description: String {
        switch self {
        case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// Refuses a request whose `Host` is a name that is not this machine's: a page elsewhere could have its own name resolve to
/// 127.0.0.1, and read what is here (DNS rebinding). And one that another site's page has sent.
struct HostGuard<Context: RequestContext>: RouterMiddleware {
    let address: AdminAddress
    let allowsRemote: Bool

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        // A browser says who asks. A link may lead to the page from anywhere; what the page asks for, only it may ask for.
        if let name = HTTPFields.Element.Name("Sec-Fetch-Site"), let site = request.headers[name],
            !["same-origin", "none"].contains(site), request.uri.path != "/"
        {
            throw HTTPError(.forbidden, message: "pages of other sites may not ask this server")
        }
        guard case .host = address, !allowsRemote else { return try await next(request, context) }
        // Whoever speaks HTTP/1.0 may name none; a browser always does.
        guard let host = request.head.authority else { return try await next(request, context) }
        if let (name, _) = try? ServiceURL.hostAndPort(Substring(host)), ServiceURL.isLoopback(name) {
            return try await next(request, context)
        }
        throw HTTPError(.misdirectedRequest, message: "ask for this server by a loopback address, as 127.0.0.1")
    }
}
