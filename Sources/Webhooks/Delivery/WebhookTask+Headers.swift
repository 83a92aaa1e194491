import ChatModel

extension WebhookTask {
    /// A header's value; a subset of what AMQP knows.
    public enum HeaderValue: Sendable, Equatable {
        case string(String)
        case int(Int64)
    }

    /// Names of the headers that hold a task in a message.
    public enum HeaderName {
        public static let id = "x-webhook-id"
        public static let url = "x-webhook-url"
        public static let endpoint = "x-webhook-endpoint"
        public static let customer = "x-customer"
        public static let job = "x-job"
        public static let attempt = "x-attempt"
        public static let eventType = "x-webhook-type"
        public static let tries = "x-webhook-tries"
        public static let createdAt = "x-webhook-created"
        public static let notBefore = "x-not-before"
        public static let waitLeft = "x-wait-left"
        /// The tries made so far, as JSON.
        public static let history = "x-webhook-history"
        public static let traceparent = "traceparent"
        public static let tracestate = "tracestate"
    }

    /// Why a message is no webhook task.
    public struct MalformedHeader: Error, Sendable, Equatable, CustomStringConvertible {
        public let name: String

        public var description: String { "the header \(self.name) is missing or malformed" }
    }

    /// All but the body, in a fixed order.
    public var headers: [(String, HeaderValue)] {
        var headers: [(String, HeaderValue)] = [(HeaderName.id, .string(self.id))]
        switch self.target {
        case .url(let text): headers.append((HeaderName.url, .string(text)))
        case .endpoint(let name): headers.append((HeaderName.endpoint, .string(name)))
        }
        headers += [
            (HeaderName.customer, .string(self.customer)),
            (HeaderName.job, .string(self.job)),
            (HeaderName.attempt, .int(self.attempt)),
            (HeaderName.eventType, .string(self.eventType.rawValue)),
            (HeaderName.tries, .int(Int64(self.tries))),
            (HeaderName.createdAt, .int(self.createdAt)),
            (HeaderName.notBefore, .int(self.notBefore)),
        ]
        if let waitLeft = self.waitLeft { headers.append((HeaderName.waitLeft, .int(waitLeft))) }
        if let trace = self.trace {
            headers.append((HeaderName.traceparent, .string(trace.traceparent)))
            if !trace.tracestate.isEmpty { headers.append((HeaderName.tracestate, .string(trace.tracestate))) }
        }
        if !self.history.isEmpty {
            headers.append((HeaderName.history, .string(TryRecord.header(self.history))))
        }
        return headers
    }

    /// Strict: what is no task any more moves to the dead-letter queue with the header's name as the reason. The target
    /// is checked again by the policy on every try.
    public init(headers: (String) -> HeaderValue?, body: [UInt8]) throws(MalformedHeader) {
        func string(_ name: String) throws(MalformedHeader) -> String {
            guard case .string(let text)? = headers(name), !text.isEmpty else { throw MalformedHeader(name: name) }
            return text
        }
        func number(_ name: String) throws(MalformedHeader) -> Int64 {
            guard case .int(let number)? = headers(name), number >= 0 else { throw MalformedHeader(name: name) }
            return number
        }
        let id = try string(HeaderName.id)
        // It becomes a header of the request, and a part of the signed bytes that ends at the first dot.
        guard id.utf8.count <= 256, id.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ".") }) else {
            throw MalformedHeader(name: HeaderName.id)
        }
        guard let eventType = WebhookEventType(rawValue: try string(HeaderName.eventType)) else {
            throw MalformedHeader(name: HeaderName.eventType)
        }
        let tries = try number(HeaderName.tries)
        guard tries < Int64(Int32.max) else { throw MalformedHeader(name: HeaderName.tries) }
        self.init(
            id: id, target: try Self.target(headers), customer: try string(HeaderName.customer),
            job: try string(HeaderName.job), attempt: try number(HeaderName.attempt), eventType: eventType, body: body,
            tries: Int(tries), createdAt: try number(HeaderName.createdAt), notBefore: try number(HeaderName.notBefore),
            trace: TraceContext(
                traceparent: try? string(HeaderName.traceparent), tracestate: try? string(HeaderName.tracestate)))
        if case .string(let text)? = headers(HeaderName.history) { self.history = TryRecord.parse(header: text) }
        if headers(HeaderName.waitLeft) != nil { self.waitLeft = try number(HeaderName.waitLeft) }
    }

    private static func target(_ headers: (String) -> HeaderValue?) throws(MalformedHeader) -> WebhookTarget {
        switch (headers(HeaderName.url), headers(HeaderName.endpoint)) {
        case (.string(let text)?, nil):
            guard (try? WebhookURL(parsing: text)) != nil else { throw MalformedHeader(name: HeaderName.url) }
            return .url(text)
        case (nil, .string(let name)?):
            guard WebhookTarget.isEndpointName(name) else { throw MalformedHeader(name: HeaderName.endpoint) }
            return .endpoint(name)
        default:
            throw MalformedHeader(name: HeaderName.url)
        }
    }
}
