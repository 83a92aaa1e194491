import ChatModel
import Tracing

/// `ExportTraceServiceRequest` of the OpenTelemetry protocol, as JSON (OTLP 1.x: ids are hexadecimal, enumerations are
/// numbers, 64-bit integers are strings).
enum OTLPJSON {
    static func request(_ spans: [SpanRecord], service: String, instance: String, version: String) -> [UInt8] {
        JSONValue.object([
            .init(
                "resourceSpans",
                .array([
                    .object([
                        .init(
                            "resource",
                            .object([
                                .init(
                                    "attributes",
                                    attributes([
                                        "service.name": .string(service), "service.instance.id": .string(instance),
                                        "service.version": .string(version),
                                    ]))
                            ])),
                        .init(
                            "scopeSpans",
                            .array([
                                .object([
                                    .init(
                                        "scope",
                                        .object([
                                            .init("name", .string("chat-worker")), .init("version", .string(version)),
                                        ])),
                                    .init("spans", .array(spans.map(span))),
                                ])
                            ])),
                    ])
                ]))
        ]).serialized()
    }

    private static func span(_ record: SpanRecord) -> JSONValue {
        let identity = record.identity
        var members: [JSONValue.Member] = [
            .init("traceId", .string(SpanIdentity.hex(identity.trace))),
            .init("spanId", .string(SpanIdentity.hex(identity.span))),
        ]
        // Bits 8 and 9 say whether the parent is in another process.
        var flags = UInt32(identity.flags) | 0x100
        if let parent = record.parent {
            members.append(.init("parentSpanId", .string(SpanIdentity.hex(parent.span))))
            if parent.isRemote { flags |= 0x200 }
        }
        if !identity.state.isEmpty { members.append(.init("traceState", .string(identity.state))) }
        members += [
            .init("flags", .integer(flags)), .init("name", .string(record.name)),
            .init("kind", .integer(kind(record.kind))), .init("startTimeUnixNano", .string("\(record.start)")),
            .init("endTimeUnixNano", .string("\(record.end)")), .init("attributes", attributes(record.attributes)),
        ]
        if !record.events.isEmpty { members.append(.init("events", .array(record.events.map(event)))) }
        let links = record.links.compactMap(link)
        if !links.isEmpty { members.append(.init("links", .array(links))) }
        if let status = record.status {
            var parts: [JSONValue.Member] = [.init("code", .integer(status.code == .ok ? 1 : 2))]
            if let message = status.message { parts.append(.init("message", .string(message))) }
            members.append(.init("status", .object(parts)))
        }
        return .object(members)
    }

    private static func kind(_ kind: SpanKind) -> Int {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    private static func event(_ event: SpanEvent) -> JSONValue {
        .object([
            .init("timeUnixNano", .string("\(event.nanosecondsSinceEpoch)")), .init("name", .string(event.name)),
            .init("attributes", attributes(event.attributes)),
        ])
    }

    private static func link(_ link: SpanLink) -> JSONValue? {
        link.context.spanIdentity.map {
            .object([
                .init("traceId", .string(SpanIdentity.hex($0.trace))),
                .init("spanId", .string(SpanIdentity.hex($0.span))),
                .init("attributes", attributes(link.attributes)),
            ])
        }
    }

    private static func attributes(_ attributes: SpanAttributes) -> JSONValue {
        var pairs: [(String, JSONValue)] = []
        attributes.forEach { key, value in pairs.append((key, self.value(value))) }
        return .array(
            pairs.sorted { $0.0 < $1.0 }.map { .object([.init("key", .string($0.0)), .init("value", $0.1)]) })
    }

    private static func value(_ attribute: SpanAttribute) -> JSONValue {
        func one(_ kind: String, _ value: JSONValue) -> JSONValue { .object([.init(kind, value)]) }
        func many(_ values: [JSONValue]) -> JSONValue { one("arrayValue", one("values", .array(values))) }
        func integer(_ number: Int64) -> JSONValue { one("intValue", .string("\(number)")) }
        func double(_ number: Double) -> JSONValue {
            one("doubleValue", number.isFinite ? .number("\(number)") : .null)
        }
        func text(_ text: String) -> JSONValue { one("stringValue", .string(text)) }
        return switch attribute {
        case .int32(let number): integer(Int64(number))
        case .int64(let number): integer(number)
        case .double(let number): double(number)
        case .bool(let flag): one("boolValue", .bool(flag))
        case .string(let string): text(string)
        case .stringConvertible(let value): text("\(value)")
        case .int32Array(let numbers): many(numbers.map { integer(Int64($0)) })
        case .int64Array(let numbers): many(numbers.map(integer))
        case .doubleArray(let numbers): many(numbers.map(double))
        case .boolArray(let flags): many(flags.map { one("boolValue", .bool($0)) })
        case .stringArray(let strings): many(strings.map(text))
        case .stringConvertibleArray(let values): many(values.map { text("\($0)") })
        default: text("")
        }
    }
}
