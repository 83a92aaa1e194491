internal import AMQP
internal import ChatModel
internal import NIOCore
internal import Tracing

/// The spans of one job in this worker: `process QUEUE` from its delivery to its end here, and under it `chat MODEL` for each
/// request to a gateway. Names and attributes after OpenTelemetry's conventions for messaging and generative AI. On the
/// job's event loop.
final class JobSpans {
    private let tracer: any Tracer
    private let process: any Tracing.Span
    private var attempt: (any Tracing.Span)?

    /// - Parameter received: nanoseconds of the monotonic clock.
    init(_ tracer: any Tracer, of job: Job, delivery: Delivery, attempt: AttemptNumber, received: UInt64) {
        self.tracer = tracer
        process = tracer.startSpan(
            "process \(delivery.queue)", context: tracer.context(of: job.trace), ofKind: .consumer,
            at: DefaultTracerClock.Timestamp(monotonic: received))
        process.updateAttributes { attributes in
            attributes["messaging.system"] = "rabbitmq"
            attributes["messaging.operation.type"] = "process"
            attributes["messaging.operation.name"] = "process"
            attributes["messaging.destination.name"] = delivery.queue
            if let id = delivery.properties.messageID { attributes["messaging.message.id"] = id }
            if let id = job.correlationID { attributes["messaging.message.conversation_id"] = id }
            attributes["chat_worker.job.id"] = job.id
            attributes["chat_worker.customer"] = job.customer
            attributes["chat_worker.attempt"] = attempt.value
        }
    }

    /// What replies and the webhook task are a part of.
    var trace: TraceContext? { tracer.trace(of: process.context) }

    /// - Returns: what the request is a part of.
    func began(_ route: ModelRoute, attempt number: AttemptNumber) -> TraceContext? {
        let span: any Tracing.Span = tracer.startSpan(
            "chat \(route.upstreamModel)", context: process.context, ofKind: .client)
        span.updateAttributes { attributes in
            attributes["gen_ai.operation.name"] = "chat"
            attributes["gen_ai.provider.name"] = route.gateway
            attributes["gen_ai.request.model"] = route.upstreamModel
            attributes["chat_worker.attempt"] = number.value
        }
        attempt = span
        return tracer.trace(of: span.context)
    }

    /// The request is over. Only the first call for it counts.
    ///
    /// - Parameter errorCode: `nil` where the answer is whole.
    func attemptEnded(_ errorCode: String?, _ timings: JobTimings, usage: @autoclosure () -> TokenUsage?) {
        guard let span = attempt else { return }
        attempt = nil
        guard span.isRecording else { return }
        let usage = usage()
        span.updateAttributes { attributes in
            if let usage {
                attributes["gen_ai.usage.input_tokens"] = usage.promptTokens
                attributes["gen_ai.usage.output_tokens"] = usage.completionTokens
            }
            if timings.firstOutput > timings.asked {
                let seconds = Double(timings.firstOutput - timings.asked) / 1e9
                attributes["gen_ai.response.time_to_first_chunk"] = seconds
            }
        }
        if timings.firstOutput > 0 {
            span.addEvent(
                SpanEvent(name: "first chunk", at: DefaultTracerClock.Timestamp(monotonic: timings.firstOutput)))
        }
        span.end(failedWith: errorCode)
    }

    /// The job has ended here.
    func ended(_ outcome: JobMachine.Outcome?, isMoving: Bool) {
        switch outcome {
        case .completed: process.attributes["chat_worker.outcome"] = "completed"
        case .some(let outcome) where outcome.isCancellation:
            process.attributes["chat_worker.outcome"] = "cancelled"
        case .failed: process.attributes["chat_worker.outcome"] = "failed"
        case nil: process.attributes["chat_worker.outcome"] = isMoving ? "moved" : "left"
        }
        process.end(failedWith: outcome?.failureCode)
    }
}

extension JobMachine.Outcome {
    /// `nil` where the answer is whole.
    fileprivate var failureCode: String? { if case .failed(let failure) = self { failure.code } else { nil } }
}

extension JobExecution {
    /// It is admitted: from here on it is a part of this worker's span.
    func beginSpans() {
        guard let tracer = host.configuration.tracer else { return }
        let spans = JobSpans(
            tracer, of: job, delivery: delivery, attempt: machine.attempt, received: timings.received)
        self.spans = spans
        trace = spans.trace
    }

    func endAttemptSpan(_ errorCode: String?) {
        guard let spans else { return }
        spans.attemptEnded(
            errorCode, timings,
            usage: stream.map { TokenUsage($0.snapshot().log, requestBytes: request.count) })
    }
}

/// One webhook try.
struct WebhookSpan: Sendable {
    private let span: any Tracing.Span
    let trace: TraceContext?

    init(
        _ tracer: any Tracer, posting id: String, ofJob job: String, customer: String, tries: Int,
        in trace: TraceContext?
    ) {
        span = tracer.startSpan("POST webhook", context: tracer.context(of: trace), ofKind: .client)
        span.updateAttributes { attributes in
            attributes["http.request.method"] = "POST"
            if tries > 0 { attributes["http.request.resend_count"] = tries }
            attributes["chat_worker.webhook.id"] = id
            attributes["chat_worker.job.id"] = job
            attributes["chat_worker.customer"] = customer
        }
        self.trace = tracer.trace(of: span.context)
    }

    /// - Parameter errorType: `nil` where it was delivered.
    func ended(status: Int?, _ errorType: String?) {
        if let status { span.attributes["http.response.status_code"] = status }
        span.end(failedWith: errorType)
    }
}

extension Tracing.Span {
    fileprivate func end(failedWith code: String?) {
        if let code {
            attributes["error.type"] = code
            setStatus(SpanStatus(code: .error))
        }
        end()
    }
}

extension DefaultTracerClock.Timestamp {
    /// The time of day of a moment of the monotonic clock, in nanoseconds.
    fileprivate init(monotonic moment: UInt64) {
        let passed = NIODeadline.now().uptimeNanoseconds &- moment
        self.init(nanosecondsSinceEpoch: DefaultTracerClock.now.nanosecondsSinceEpoch &- passed)
    }
}

extension Tracer {
    /// Where a trace context of somebody else has its place.
    fileprivate func context(of trace: TraceContext?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        if let trace { extract(trace, into: &context, using: TraceHeaders()) }
        return context
    }

    fileprivate func trace(of context: InstrumentationContext) -> TraceContext? {
        var headers: [String: String] = [:]
        inject(context, into: &headers, using: TraceHeaders.Writing())
        return TraceContext(traceparent: headers["traceparent"], tracestate: headers["tracestate"])
    }
}

private struct TraceHeaders: Extractor {
    func extract(key: String, from trace: TraceContext) -> String? {
        switch key {
        case "traceparent": trace.traceparent
        case "tracestate" where !trace.tracestate.isEmpty: trace.tracestate
        default: nil
        }
    }

    struct Writing: Injector {
        func inject(_ value: String, forKey key: String, into headers: inout [String: String]) { headers[key] = value }
    }
}
