import ChatModel
import Gateway
import Glibc
import JobRunner
import Synchronization

/// What `/metrics` says. Names follow OpenTelemetry's conventions for generative AI and messaging where they have one. Labels
/// are gateways, models that were priced or asked, error codes (64 at most) and outcomes; never customers or jobs.
struct AdminMetrics {
    let runner: JobRunner
    let loopLag: Histogram
    let spans: SpanBuffer?
    let version: String

    /// More models than these are summed up as `other`: jobs may name any.
    private static let mostModels = 64

    var text: String {
        let (snapshot, metrics) = (runner.snapshot, runner.metrics)
        let status = snapshot.status
        var out = PrometheusText()
        out.add("chat_worker_info", .gauge, "The version that runs.", [([("version", version)], 1)])
        out.add("chat_worker_ready", .gauge, "1 while jobs can begin.", snapshot.reasons.isEmpty ? 1 : 0)

        out.add(
            "gen_ai_client_operation_duration_seconds", "From a job's first try to its end.", metrics.duration.reading)
        out.add(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "From the request to the first output.",
            metrics.firstChunk.reading)
        out.add(
            "gen_ai_client_operation_time_per_output_chunk_seconds", "Mean time between two chunks of an answer.",
            metrics.perChunk.reading)
        out.add(
            "gen_ai_client_token_usage", "Tokens of one attempt, by type.",
            [
                ([("gen_ai_token_type", "input")], metrics.inputTokens.reading),
                ([("gen_ai_token_type", "output")], metrics.outputTokens.reading),
            ])
        addSpending(&out)

        out.add(
            "chat_worker_jobs_total", .counter, "Jobs that ended in this worker, by outcome.",
            [
                ("completed", status.completed), ("failed", status.failed), ("cancelled", status.cancelled),
                ("refused", status.invalid), ("parked", status.parked),
            ].map { ([("outcome", $0.0)], Double($0.1)) })
        out.add(
            "chat_worker_job_failures_total", .counter, "Failed and cancelled jobs, by error code.",
            metrics.failuresByCode.all.map { ([("error_type", $0.name)], Double($0.count)) })
        out.add("chat_worker_job_attempts_total", .counter, "Requests to gateways, of ended jobs.", metrics.tries.value)
        out.add(
            "chat_worker_job_retries_total", .counter, "Requests after a job's first, of ended jobs.",
            metrics.retries.value)
        out.add(
            "chat_worker_rate_limits_total", .counter, "Times that a gateway asked for fewer requests.",
            status.rateLimited)
        out.add("chat_worker_streams", .gauge, "Jobs that run.", status.running)
        out.add("chat_worker_jobs_waiting", .gauge, "Jobs in this worker that wait for their turn.", status.waiting)
        out.add("chat_worker_job_queue_time_seconds", "From a job's publish to its first try.", metrics.queued.reading)

        out.add(
            "chat_worker_held_body_bytes", .gauge, "Bodies of the jobs and webhook tasks that this worker holds.",
            snapshot.heldBytes)
        out.add(
            "chat_worker_held_body_limit_bytes", .gauge, "The most of them (jobs.max_held_bytes).",
            snapshot.mostHeldBytes)
        out.add(
            "chat_worker_messages_without_room", .gauge,
            "Messages that wait on the broker until there is room for their bodies.", snapshot.withoutRoom)

        addBroker(&out, snapshot)
        addGateways(&out, snapshot)
        addWebhooks(&out, snapshot)
        out.add("chat_worker_event_loop_lag_seconds", "How late an event loop is, asked each second.", loopLag.reading)
        if let spans {
            out.add(
                "chat_worker_spans_total", .counter, "Spans that have ended, by what became of them.",
                [
                    ([("outcome", "exported")], Double(spans.exported.value)),
                    ([("outcome", "dropped")], Double(spans.dropped.value)),
                ])
        }
        out.add(
            "chat_worker_log_lines_dropped_total", .counter, "Log lines that were left out, since nobody took them.",
            LogOutput.droppedLines)
        addProcess(&out)
        return out.text
    }

    private func addSpending(_ out: inout PrometheusText) {
        let rows = runner.spending(most: Self.mostModels)
        func labels(_ row: SpendTotals) -> PrometheusText.Labels {
            [("gateway", row.model.gateway), ("gen_ai_request_model", row.model.name)]
        }
        out.add(
            "chat_worker_tokens_total", .counter, "Tokens of ended attempts, by model and type.",
            rows.flatMap { row in
                [
                    (labels(row) + [("gen_ai_token_type", "input")], Double(row.promptTokens)),
                    (labels(row) + [("gen_ai_token_type", "output")], Double(row.completionTokens)),
                ]
            })
        out.add(
            "chat_worker_cached_tokens_total", .counter,
            "Input tokens that providers found in their caches (read) or put there (write), by model.",
            rows.flatMap { row in
                [
                    (labels(row) + [("kind", "read")], Double(row.cachedTokens)),
                    (labels(row) + [("kind", "write")], Double(row.cacheWriteTokens)),
                ]
            })
        out.add(
            "chat_worker_cost_usd_total", .counter,
            "Cost of ended attempts in USD, by the prices of the configuration.",
            rows.map { (labels($0), Double($0.cost.billionths) / 1e9) })
        out.add(
            "chat_worker_wasted_tokens_total", .counter, "Tokens of attempts whose text was thrown away.",
            rows.map { (labels($0), Double($0.wastedTokens)) })
    }

    private func addBroker(_ out: inout PrometheusText, _ snapshot: JobRunner.Snapshot) {
        func each(_ value: (JobRunner.Snapshot.Publisher) -> Int) -> [(labels: PrometheusText.Labels, value: Double)] {
            snapshot.publishers.enumerated().map { ([("publisher", "\($0.offset)")], Double(value($0.element))) }
        }
        out.add(
            "chat_worker_undeliverable_messages_total", .counter,
            "Replies that were dropped, and other messages that were set aside, because the broker closes the connection over them.",
            runner.metrics.undeliverable.value)
        out.add(
            "messaging_client_published_messages_total", .counter, "Messages handed to the broker.", each(\.published))
        out.add(
            "chat_worker_output_chunks_total", .counter,
            "Chunks of output from gateways, of ended answers; divided by published messages: how many travel together.",
            runner.metrics.chunks.value)
        out.add(
            "messaging_client_operation_duration_seconds",
            "From handing a lasting message to the broker to its confirm.",
            runner.metrics.confirm.reading)
        out.add(
            "chat_worker_unconfirmed_messages", .gauge, "Messages that the broker has not confirmed.",
            each { $0.window - $0.free })
        out.add("chat_worker_confirm_window", .gauge, "Messages that may be unconfirmed at once.", each(\.window))
        out.add("chat_worker_ready_streams", .gauge, "Streams whose text waits for the broker.", each(\.ready))
        out.add(
            "chat_worker_broker_blocked", .gauge, "1 while the broker's alarm holds publishing back.",
            snapshot.status.isBlocked ? 1 : 0)
        out.add(
            "chat_worker_broker_connections_lost_total", .counter, "Connections to the broker that were lost.",
            snapshot.lostConnections)
    }

    private func addGateways(_ out: inout PrometheusText, _ snapshot: JobRunner.Snapshot) {
        func each(_ value: (JobRunner.Snapshot.Gateway) -> Int) -> [(labels: PrometheusText.Labels, value: Double)] {
            snapshot.gateways.map { ([("gateway", $0.name)], Double(value($0))) }
        }
        out.add(
            "chat_worker_gateway_connections", .gauge, "Open connections to a gateway, idle ones too.",
            each { $0.metrics.connectionsLive.load(ordering: .relaxed) })
        out.add(
            "chat_worker_gateway_connections_opened_total", .counter, "Connections that were set up.",
            each { $0.metrics.connectionsOpened.load(ordering: .relaxed) })
        out.add(
            "chat_worker_gateway_connections_reused_total", .counter, "Requests on a connection that was used before.",
            each { $0.metrics.connectionsReused.load(ordering: .relaxed) })
        out.add(
            "chat_worker_gateway_late_frames_total", .counter, "Frames of an earlier answer, dropped.",
            each { $0.metrics.lateFramesDropped.load(ordering: .relaxed) })
        out.add(
            "chat_worker_gateway_requests_total", .counter, "Requests to a gateway.",
            each { $0.metrics.streamsStarted.load(ordering: .relaxed) })
        out.add(
            "chat_worker_gateway_failures_total", .counter, "Requests that failed, by error code.",
            snapshot.gateways.flatMap { gateway in
                gateway.metrics.failuresByCode.sorted { $0.key < $1.key }.prefix(Self.mostModels).map {
                    ([("gateway", gateway.name), ("error_type", $0.key)], Double($0.value))
                }
            })
        out.add(
            "chat_worker_gateway_alerts", .gauge,
            "Models of a gateway for which somebody has to act: the account is out of credit, or the model is gone.",
            snapshot.gateways.flatMap { gateway in
                let names = gateway.metrics.alerts.map(\.cause.name)
                return ["model_gone", "out_of_credit"].map { cause in
                    ([("gateway", gateway.name), ("cause", cause)], Double(names.count { $0 == cause }))
                }
            })
    }

    private func addWebhooks(_ out: inout PrometheusText, _ snapshot: JobRunner.Snapshot) {
        let metrics = runner.metrics
        out.add(
            "chat_worker_webhook_tries_total", .counter, "Webhook tries, by outcome.",
            metrics.webhooksByOutcome.all.map { ([("outcome", $0.name)], Double($0.count)) })
        out.add("chat_worker_webhook_duration_seconds", "One webhook try.", metrics.webhook.reading)
        out.add("chat_worker_webhooks_pending", .gauge, "Webhook tries under way.", snapshot.status.webhooksPending)
        out.add(
            "chat_worker_webhook_endpoints", .gauge, "Endpoints that do not simply work, in all workers.",
            [
                ([("state", "open")], Double(snapshot.endpoints.count { $0.openSince != nil })),
                ([("state", "disabled")], Double(snapshot.endpoints.count(where: \.isDisabled))),
            ])
    }

    private func addProcess(_ out: inout PrometheusText) {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        out.add(
            "process_cpu_seconds_total", .counter, "Processor time, user and system.",
            [([], seconds(usage.ru_utime) + seconds(usage.ru_stime))])
        out.add("process_peak_memory_bytes", .gauge, "The most resident memory so far.", usage.ru_maxrss * 1_024)
    }
}
