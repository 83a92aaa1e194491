import ChatModel
import Gateway
import JobRunner
import Synchronization
import Webhooks

/// What `/status` says, as JSON: for a person, a script and `chat-worker top`. Names of jobs and customers, no text of theirs.
struct AdminStatus {
    let runner: JobRunner
    let snapshot: JobRunner.Snapshot
    let worker: String
    let version: String
    let started: Timestamp
    let isDraining: Bool

    /// So many are told one by one: jobs name models, customers endpoints, and whoever looks gets this each second.
    private static let mostModels = 64
    private static let mostEndpoints = 100

    /// Why the worker is not ready; empty: it is.
    var reasons: [String] {
        var reasons = snapshot.reasons
        if isDraining { reasons.append("draining") }
        return reasons
    }

    private var state: String {
        if isDraining { return "draining" }
        if snapshot.status.isConsuming, snapshot.status.isBlocked { return "blocked" }
        return reasons.isEmpty ? "consuming" : "starting"
    }

    func json(at now: Timestamp, _ live: JobRunner.Live) -> JSONValue {
        let metrics = runner.metrics
        let status = snapshot.status
        let reasons = reasons
        return .object([
            .init(
                "worker",
                .object([
                    .init("name", .string(worker)), .init("version", .string(version)),
                    .init("started_at", .string(started.rfc3339)),
                    .init("uptime_seconds", .integer((now.milliseconds - started.milliseconds) / 1_000)),
                ])),
            .init("state", .string(state)),
            .init("ready", .bool(reasons.isEmpty)),
            .init("reasons", .array(reasons.map { .string($0) })),
            .init(
                "jobs",
                Self.numbers([
                    ("running", status.running), ("waiting", status.waiting), ("completed", status.completed),
                    ("failed", status.failed), ("cancelled", status.cancelled), ("refused", status.invalid),
                    ("parked", status.parked), ("rate_limited", status.rateLimited), ("attempts", metrics.tries.value),
                ])),
            .init(
                "held",
                Self.numbers([
                    ("bytes", snapshot.heldBytes), ("limit", snapshot.mostHeldBytes),
                    ("without_room", snapshot.withoutRoom),
                ])),
            .init("models", .array(runner.spending(most: Self.mostModels).map(Self.model))),
            .init("gateways", .array(snapshot.gateways.map(Self.gateway))),
            .init(
                "broker",
                .object([
                    .init("consuming", .bool(status.isConsuming)), .init("blocked", .bool(status.isBlocked)),
                    .init("connections_lost", .integer(snapshot.lostConnections)),
                    .init("publishers", .array(snapshot.publishers.map(Self.publisher))),
                ])),
            .init(
                "webhooks",
                .object([
                    .init("delivered", .integer(status.webhooksDelivered)),
                    .init("pending", .integer(status.webhooksPending)),
                    .init("endpoints", .array(snapshot.endpoints.prefix(Self.mostEndpoints).map(Self.endpoint))),
                    .init("endpoints_in_trouble", .integer(snapshot.endpoints.count)),
                ])),
            .init(
                "latency",
                .object([
                    .init("first_chunk", Self.latency(metrics.firstChunk)),
                    .init("chunk", Self.latency(metrics.perChunk)),
                    .init("confirm", Self.latency(metrics.confirm)), .init("webhook", Self.latency(metrics.webhook)),
                ])),
            .init("output_chunks", .integer(metrics.chunks.value + live.chunks)),
            .init("streams", .array(live.streams.map(Self.stream))),
            .init("customers", .array(live.customers.map(Self.customer))),
            .init("routes", .array(live.models.map(Self.route))),
            .init("failures", .array(metrics.recentFailures.map(Self.failure))),
        ])
    }

    private static func numbers(_ numbers: [(String, Int)]) -> JSONValue {
        .object(numbers.map { .init($0.0, .integer($0.1)) })
    }

    private static func model(_ totals: SpendTotals) -> JSONValue {
        .object([
            .init("gateway", .string(totals.model.gateway)), .init("model", .string(totals.model.name)),
            .init("attempts", .integer(totals.attempts)), .init("input_tokens", .integer(totals.promptTokens)),
            .init("output_tokens", .integer(totals.completionTokens)),
            .init("cached_tokens", .integer(totals.cachedTokens)),
            .init("wasted_tokens", .integer(totals.wastedTokens)),
            .init("cost_usd", .number(totals.cost.decimal)),
        ])
    }

    private static func gateway(_ gateway: JobRunner.Snapshot.Gateway) -> JSONValue {
        .object([
            .init("gateway", .string(gateway.name)),
            .init("connections", .integer(gateway.metrics.connectionsLive.load(ordering: .relaxed))),
            .init("requests", .integer(gateway.metrics.streamsStarted.load(ordering: .relaxed))),
            .init("completed", .integer(gateway.metrics.streamsCompleted.load(ordering: .relaxed))),
            .init("failures", numbers(gateway.metrics.failuresByCode.sorted { $0.key < $1.key })),
            .init("alerts", .array(gateway.metrics.alerts.map(Self.alert))),
        ])
    }

    /// What somebody has to do something about.
    private static func alert(_ alert: GatewayAlert) -> JSONValue {
        .object([
            .init("cause", .string(alert.cause.name)), .init("model", .string(alert.model)),
            .init("since", .string(Timestamp(milliseconds: alert.since * 1_000).rfc3339)),
            .init("requests", .integer(alert.count)),
        ])
    }

    private static func publisher(_ publisher: JobRunner.Snapshot.Publisher) -> JSONValue {
        numbers([
            ("published", publisher.published), ("unconfirmed", publisher.window - publisher.free),
            ("window", publisher.window), ("ready_streams", publisher.ready),
        ])
    }

    private static func endpoint(_ state: EndpointLedger.State) -> JSONValue {
        .object([
            .init("endpoint", .string("\(state.endpoint)")), .init("disabled", .bool(state.isDisabled)),
            .init("breaker_open_since", state.openSince.map { .string($0.rfc3339) } ?? .null),
        ])
    }

    private static func latency(_ histogram: Histogram) -> JSONValue {
        let reading = histogram.reading
        func milliseconds(_ share: Double) -> JSONValue {
            reading.quantile(share).map { .number(PrometheusText.number(($0 * 1e6).rounded() / 1e3)) } ?? .null
        }
        return .object([
            .init("count", .integer(reading.count)), .init("p50_ms", milliseconds(0.5)),
            .init("p99_ms", milliseconds(0.99)),
            // Upper bound in seconds, and how many are not over it: two readings tell of the time between them.
            .init(
                "buckets",
                .array(
                    reading.buckets.map {
                        .array([.number(PrometheusText.number($0.bound)), .integer($0.count)])
                    })),
        ])
    }

    private static func stream(_ stream: JobRunner.Live.Stream) -> JSONValue {
        .object([
            .init("job", .string(stream.job)), .init("customer", .string(stream.customer)),
            .init("gateway", .string(stream.gateway)), .init("model", .string(stream.model)),
            .init("state", .string(stream.state)), .init("attempt", .integer(stream.attempt)),
            .init("chunks", .integer(stream.chunks)), .init("age_ms", .integer(stream.age / 1_000_000)),
        ])
    }

    private static func customer(_ customer: JobRunner.Live.Customer) -> JSONValue {
        .object([
            .init("customer", .string(customer.name)), .init("running", .integer(customer.running)),
            .init("waiting", .integer(customer.waiting)),
        ])
    }

    private static func route(_ model: JobRunner.Live.Model) -> JSONValue {
        .object([
            .init("gateway", .string(model.gateway)), .init("model", .string(model.model)),
            .init("in_flight", .integer(model.inFlight)), .init("gate", .string(model.gate)),
        ])
    }

    private static func failure(_ failure: JobMetrics.Failure) -> JSONValue {
        .object([
            .init("at", .string(failure.at.rfc3339)), .init("job", .string(failure.job)),
            .init("customer", .string(failure.customer)), .init("gateway", .string(failure.gateway)),
            .init("model", .string(failure.model)), .init("code", .string(failure.code)),
            .init("stage", .string(failure.stage)),
        ])
    }
}
