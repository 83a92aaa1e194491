internal import AsyncHTTPClient
public import Logging
public import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// Posts webhooks: one try at a time for whoever asks, without retries, queueing or opinions about the outcome.
///
/// On every try the name is resolved anew, and all of its addresses are judged; only an address that passed is connected
/// to. A connection that is reused goes to an address that has just been judged again.
public final class WebhookSender: Sendable {
    /// As it was set last.
    public var policy: WebhookPolicy { currentPolicy.withLock { $0 } }
    private let currentPolicy: Mutex<WebhookPolicy>
    private let clients: PinnedClients
    private let resolver: any HostResolver
    private let systemResolver: SystemHostResolver?
    /// `nil` where the caller gave its own.
    private let ownGroup: MultiThreadedEventLoopGroup?
    private let logger: Logger
    private let wallClock: @Sendable () -> Int64
    /// Of posts, and of all that uses `timers`.
    let gate = ActivityGate()
    /// For those who wait.
    let timers: any EventLoop

    /// As many of a name's addresses are tried at most.
    private static let maximumAddresses = 4

    /// For headers, and for what one turn of an event loop may read of a body before it is cut.
    private static let answerMargin = 1_048_576

    /// - Parameters:
    ///   - eventLoopGroup: for the connections; `nil` makes two threads of its own, so that posting does not delay
    ///     anything that runs on the caller's.
    ///   - resolver: `nil` is the system's.
    ///   - wallClock: milliseconds since 1970.
    /// - Throws: where the file of certificate authorities, or a client certificate, cannot be read.
    public init(
        configuration: WebhookConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil, logger: Logger,
        resolver: (any HostResolver)? = nil, wallClock: (@Sendable () -> Int64)? = nil
    ) throws {
        let tls = try TLSConfiguration.webhooks(configuration)
        let http = HTTPClient.Configuration.webhooks(configuration, tls: tls)
        let certificates = Set(configuration.endpoints.values.compactMap(\.options.clientCertificate))

        let group: any EventLoopGroup
        if let eventLoopGroup {
            group = eventLoopGroup
            self.ownGroup = nil
        } else {
            let ownGroup = MultiThreadedEventLoopGroup(numberOfThreads: 2)
            group = ownGroup
            self.ownGroup = ownGroup
        }
        if let resolver {
            self.resolver = resolver
            self.systemResolver = nil
        } else {
            let systemResolver = SystemHostResolver(group: group)
            self.resolver = systemResolver
            self.systemResolver = systemResolver
        }
        self.timers = group.any()
        self.currentPolicy = Mutex(WebhookPolicy(configuration: configuration))
        self.clients = PinnedClients(
            group: group, configuration: http,
            identities: try ClientIdentities(certificates, basedOn: tls),
            maximumAnswerSize: max(0, min(configuration.maximumResponseSize, .max / 2)) + Self.answerMargin)
        self.logger = logger
        self.wallClock = wallClock ?? WallClock.milliseconds
    }

    /// Milliseconds since 1970.
    var now: Int64 { self.wallClock() }

    /// Tries that begin from now on go by this configuration. Lanes, breakers, the proxy and TLS stay as they were made.
    public func update(_ configuration: WebhookConfiguration) {
        self.currentPolicy.withLock { $0 = WebhookPolicy(configuration: configuration) }
    }

    /// Makes one try. Ends within the configured timeout, whatever the endpoint does, and at most once more that time spent
    /// waiting for a look-up's turn; a cancelled one is `abandoned`.
    public func post(_ task: WebhookTask) async -> WebhookOutcome {
        guard self.gate.enter() else { return WebhookOutcome(kind: .abandoned) }
        defer { self.gate.leave() }
        let start = ContinuousClock.now
        let deadline = start + self.policy.configuration.timeout
        var waited = Duration.zero
        var outcome = await self.outcome(of: task, deadline: deadline, waited: &waited)
        outcome.latency = .now - start - waited
        return outcome
    }

    /// Cuts what is under way (it ends as `abandoned`) and closes all connections. Posts from now on are `abandoned`.
    public func shutdown() async {
        let isFirst = self.gate.close()
        guard isFirst else { return await self.gate.drained() }
        self.systemResolver?.stop()
        let areClosed = await self.clients.shutdown()
        // Only then may the event loops go: whoever is between two steps would wait on them for ever.
        await self.gate.drained()
        // A client that still closes connections would ask event loops that are gone.
        guard areClosed else { return }
        do {
            try await self.ownGroup?.shutdownGracefully()
        } catch {
            self.logger.warning("webhook event loops did not shut down", metadata: ["error": "\(error)"])
        }
    }

    /// - Parameter waited: how long the name waited for its turn to be looked up; the endpoint's time begins after that.
    private func outcome(
        of task: WebhookTask, deadline: ContinuousClock.Instant, waited: inout Duration
    ) async -> WebhookOutcome {
        let resolved: WebhookPolicy.Resolved
        do {
            resolved = try self.policy.resolve(task.target, customer: task.customer)
        } catch {
            return WebhookOutcome(kind: .refused, detail: "\(error)")
        }
        if self.policy.configuration.proxy?.resolvesNames == true, case .name = resolved.url.host {
            // The proxy resolves the name, and enforces where it may lead.
            let key = self.key(resolved, address: nil)
            return await self.postTwice(task, to: resolved, key: key, deadline: deadline).0
        }
        let addresses: [IPAddress]
        switch resolved.url.host {
        case .address(let address): addresses = [address]
        case .name(let name):
            do {
                let resolution = try await self.resolver.resolve(name, for: task.customer, deadline: deadline)
                (addresses, waited) = (resolution.addresses, resolution.waited)
            } catch {
                return Self.resolverFailure(error)
            }
        }
        guard !addresses.isEmpty else { return WebhookOutcome(kind: .dns, detail: "no address") }
        // One bad address refuses the name: who controls it decides which of them is answered next time.
        for address in addresses {
            if let refusal = self.policy.addresses.refusal(of: address) {
                return WebhookOutcome(kind: .refused, detail: "the host has the address \(address) (\(refusal))")
            }
        }
        return await self.post(task, to: resolved, addresses: addresses, deadline: deadline + waited)
    }

    private func key(_ resolved: WebhookPolicy.Resolved, address: IPAddress?) -> PinnedClients.Key {
        PinnedClients.Key(
            host: resolved.url.clientHost, address: address, certificate: resolved.options.clientCertificate)
    }

    /// The addresses one after another, until one of them is connected to.
    private func post(
        _ task: WebhookTask, to resolved: WebhookPolicy.Resolved, addresses: [IPAddress],
        deadline: ContinuousClock.Instant
    ) async -> WebhookOutcome {
        let keys = addresses.prefix(Self.maximumAddresses).map { self.key(resolved, address: $0) }
        // Those that were connected to before come first: their connections can be reused.
        let warm = keys.filter { self.clients.isWarm($0) }
        var outcome = WebhookOutcome(kind: .connect, detail: "no address")
        for key in warm + keys.filter({ !warm.contains($0) }) {
            let (result, requestStarted) = await self.postTwice(task, to: resolved, key: key, deadline: deadline)
            outcome = result
            guard !requestStarted, Self.mayBeTheAddress(result.kind), .now < deadline else { break }
        }
        return outcome
    }

    /// Whether another address of the same host may do.
    private static func mayBeTheAddress(_ kind: WebhookOutcome.Kind) -> Bool {
        kind == .connect || kind == .timeout || kind == .proxyRefused
    }

    /// Once more at once, on a connection of its own, where the first went to a connection that the endpoint had given up:
    /// the endpoint did nothing wrong, and no try is spent.
    private func postTwice(
        _ task: WebhookTask, to resolved: WebhookPolicy.Resolved, key: PinnedClients.Key,
        deadline: ContinuousClock.Instant
    ) async -> (WebhookOutcome, requestStarted: Bool) {
        let first = await self.post(task, to: resolved, key: key, deadline: deadline)
        guard first.isStale, !Task.isCancelled, .now < deadline else { return (first.outcome, first.requestStarted) }
        var fresh = key
        fresh.isFresh = true
        var second = await self.post(task, to: resolved, key: fresh, deadline: deadline)
        if second.isStale, !Task.isCancelled, !self.clients.isShutDown, !second.outcome.kind.isProxys {
            second.outcome = WebhookOutcome(kind: .closed, detail: "the connection was closed")
        }
        return (second.outcome, second.requestStarted)
    }

    private func post(
        _ task: WebhookTask, to resolved: WebhookPolicy.Resolved, key: PinnedClients.Key,
        deadline: ContinuousClock.Instant
    ) async -> (outcome: WebhookOutcome, requestStarted: Bool, isStale: Bool) {
        var request: HTTPClient.Request
        do {
            request = try WebhookRequest(
                task: task, resolved: resolved, configuration: self.policy.configuration, now: self.wallClock()
            ).forClient()
        } catch {
            return (
                WebhookOutcome(kind: .refused, detail: "the URL is read differently by the HTTP client"), true, false
            )
        }
        // HTTP/2 leaves it out; there the pool of these posts is small enough.
        if key.isFresh { request.headers.add(name: "connection", value: "close") }
        guard let client = self.clients.acquire(key) else { return (WebhookOutcome(kind: .abandoned), true, false) }
        defer { self.clients.release(key) }

        let reader = AnswerReader(maximumSize: self.policy.configuration.maximumResponseSize)
        let remaining = max(.zero, deadline - .now)
        let execution = client.execute(
            request: request, delegate: reader, deadline: .now() + .nanoseconds(remaining.wholeNanoseconds))
        var failure: (any Error)?
        do {
            try await withTaskCancellationHandler {
                try await execution.get()
            } onCancel: {
                execution.cancel()
            }
        } catch is AnswerReader.AnswerCut {
            // The status stands; how the body would have gone on does not matter.
        } catch {
            failure = error
        }
        let answer = reader.answer
        let isStale = failure.map { PostFailure.isStale($0, requestStarted: answer.requestStarted) } ?? false
        return (self.outcome(answer, failure: failure), answer.requestStarted, isStale)
    }

    private func outcome(_ answer: AnswerReader.Answer, failure: (any Error)?) -> WebhookOutcome {
        let isProxied = self.policy.configuration.proxy != nil
        if isProxied, !answer.requestStarted, let failure, let proxys = PostFailure.proxys(failure) {
            return WebhookOutcome(kind: proxys.kind, detail: proxys.detail)
        }
        var outcome = WebhookOutcome(kind: .delivered, status: answer.status, answer: answer.kept)
        outcome.retryAfter = answer.retryAfter.flatMap { RetryAfter.parse($0, now: self.wallClock()) }
        if let status = answer.status {
            // The head was whole: what a slow, cut or broken body would have added changes nothing.
            outcome.kind = (200..<300).contains(status) ? .delivered : .status(status)
            if let failure {
                outcome.detail = PostFailure.classify(failure, requestStarted: true).detail
            }
        } else if let failure {
            (outcome.kind, outcome.detail) = PostFailure.classify(failure, requestStarted: answer.requestStarted)
        } else {
            outcome.kind = .invalidResponse
        }
        return outcome
    }

    private static func resolverFailure(_ error: any Error) -> WebhookOutcome {
        switch error {
        case HostResolverError.failed(let reason): WebhookOutcome(kind: .dns, detail: reason)
        case HostResolverError.timedOut: WebhookOutcome(kind: .timeout, detail: "the name was not resolved in time")
        case HostResolverError.busy: WebhookOutcome(kind: .crowded, detail: "too many names are looked up")
        case HostResolverError.stopped, is CancellationError: WebhookOutcome(kind: .abandoned)
        default: WebhookOutcome(kind: .dns, detail: "\(type(of: error))")
        }
    }
}
