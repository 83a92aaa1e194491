import Synchronization
import Tracing

/// Which span something is a part of, as W3C Trace Context and OTLP have it.
struct SpanIdentity: Sendable, Equatable {
    /// 16 bytes, not all 0.
    var trace: [UInt8]
    /// 8 bytes, not all 0.
    var span: [UInt8]
    /// Bit 0: somebody decided that this trace is recorded.
    var flags: UInt8
    var state: String
    /// It came from outside.
    var isRemote = false

    static let sampled: UInt8 = 1
    var isSampled: Bool { flags & Self.sampled != 0 }

    var traceparent: String { "00-\(Self.hex(trace))-\(Self.hex(span))-\(Self.hex([flags]))" }

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func random(bytes count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        while true {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if bytes.contains(where: { $0 != 0 }) { return bytes }
        }
    }
}

extension SpanIdentity {
    /// - Parameter traceparent: checked by `TraceContext`: what is of a later version counts as far as version 00 goes.
    init?(traceparent: String, state: String) {
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= 55, let trace = Self.bytes(bytes[3..<35]), let span = Self.bytes(bytes[36..<52]),
            let flags = Self.bytes(bytes[53..<55])
        else { return nil }
        self.init(trace: trace, span: span, flags: flags[0], state: state, isRemote: true)
    }

    private static func bytes(_ hex: ArraySlice<UInt8>) -> [UInt8]? {
        let digits = hex.compactMap { digit -> UInt8? in
            switch digit {
            case 0x30...0x39: digit - 0x30
            case 0x61...0x66: digit - 0x61 + 10
            default: nil
            }
        }
        guard digits.count == hex.count else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension InstrumentationContext {
    private enum Key: InstrumentationContextKey { typealias Value = SpanIdentity }

    var spanIdentity: SpanIdentity? {
        get { self[Key.self] }
        set { self[Key.self] = newValue }
    }
}

/// Makes spans, and hands those that end to a `SpanBuffer`. Who began a trace decides whether it is recorded; where that is
/// this worker, a share of all traces is, by their ids (`ParentBased` and `TraceIdRatioBased` in OpenTelemetry's SDK).
/// Any thread.
struct OTLPTracer: Tracer {
    let buffer: SpanBuffer
    /// 0 to 1, of the traces that begin here.
    let share: Double

    func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.spanIdentity
        let trace = parent?.trace ?? SpanIdentity.random(bytes: 16)
        let isSampled = parent?.isSampled ?? takes(trace)
        let identity = SpanIdentity(
            trace: trace, span: SpanIdentity.random(bytes: 8),
            flags: parent.map { $0.flags & SpanIdentity.sampled } ?? (isSampled ? SpanIdentity.sampled : 0),
            state: parent?.state ?? "")
        // What is not recorded must not come between the spans of others.
        if isSampled || parent == nil { context.spanIdentity = identity }
        let record =
            isSampled
            ? SpanRecord(
                identity: identity, parent: parent, name: operationName, kind: kind,
                start: instant().nanosecondsSinceEpoch) : nil
        return OTLPSpan(context: context, record: record, buffer: buffer)
    }

    private func takes(_ trace: [UInt8]) -> Bool {
        if share >= 1 { return true }
        let number = trace.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 1
        return Double(number) < share * Double(UInt64(1) << 63)
    }

    func forceFlush() {}

    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let traceparent = extractor.extract(key: "traceparent", from: carrier) else { return }
        context.spanIdentity = SpanIdentity(
            traceparent: traceparent, state: extractor.extract(key: "tracestate", from: carrier) ?? "")
    }

    func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let identity = context.spanIdentity else { return }
        injector.inject(identity.traceparent, forKey: "traceparent", into: &carrier)
        if !identity.state.isEmpty { injector.inject(identity.state, forKey: "tracestate", into: &carrier) }
    }
}

/// What is told of a span.
struct SpanRecord: Sendable {
    var identity: SpanIdentity
    var parent: SpanIdentity?
    var name: String
    var kind: SpanKind
    /// Nanoseconds since 1970.
    var start: UInt64
    var end: UInt64 = 0
    var attributes: SpanAttributes = [:]
    var events: [SpanEvent] = []
    var links: [SpanLink] = []
    var status: SpanStatus?
}

/// Any thread.
final class OTLPSpan: Tracing.Span {
    let context: InstrumentationContext
    private let buffer: SpanBuffer
    /// `nil`: it is not recorded, or has ended.
    private let record: Mutex<SpanRecord?>

    init(context: InstrumentationContext, record: SpanRecord?, buffer: SpanBuffer) {
        self.context = context
        self.record = Mutex(record)
        self.buffer = buffer
    }

    var isRecording: Bool { record.withLock { $0 != nil } }

    var operationName: String {
        get { record.withLock { $0?.name ?? "" } }
        set { record.withLock { $0?.name = newValue } }
    }

    var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes ?? [:] } }
        set { record.withLock { $0?.attributes = newValue } }
    }

    func setStatus(_ status: SpanStatus) { record.withLock { $0?.status = status } }
    func addEvent(_ event: SpanEvent) { record.withLock { $0?.events.append(event) } }
    func addLink(_ link: SpanLink) { record.withLock { $0?.links.append(link) } }

    func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var all = attributes
        all["exception.type"] = "\(type(of: error))"
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: all))
    }

    func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let ended = record.withLock { record in
            defer { record = nil }
            return record
        }
        guard var ended else { return }
        ended.end = max(ended.start, instant().nanosecondsSinceEpoch)
        buffer.add(ended)
    }
}
