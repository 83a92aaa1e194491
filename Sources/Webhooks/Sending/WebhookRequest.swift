internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// One try's request: the task's body as it is, its headers, and a signature of this moment.
struct WebhookRequest {
    let task: WebhookTask
    let resolved: WebhookPolicy.Resolved
    let configuration: WebhookConfiguration
    /// Milliseconds since 1970.
    let now: Int64

    private var headers: HTTPHeaders {
        let timestamp = now / 1_000
        let signature = resolved.keys.signer(now: now).signature(id: task.id, timestamp: timestamp, body: task.body)
        var headers = HTTPHeaders()
        for header in resolved.options.headers { headers.add(name: header.name, value: header.value) }
        headers.add(name: "content-type", value: "application/json")
        headers.add(name: "user-agent", value: configuration.userAgent)
        headers.add(name: "webhook-id", value: task.id)
        headers.add(name: "webhook-timestamp", value: "\(timestamp)")
        headers.add(name: "webhook-signature", value: signature)
        if let trace = task.trace {
            headers.add(name: "traceparent", value: trace.traceparent)
            if !trace.tracestate.isEmpty { headers.add(name: "tracestate", value: trace.tracestate) }
        }
        if resolved.options.cloudEvents {
            for header in CloudEvent.headers(of: task, source: configuration.cloudEventsSource) {
                headers.add(name: header.name, value: header.value)
            }
        }
        return headers
    }

    /// - Throws: where the client would not ask exactly what was judged.
    func forClient() throws -> HTTPClient.Request {
        let request = try HTTPClient.Request(
            url: resolved.url.text, method: .POST, headers: headers, body: .byteBuffer(ByteBuffer(bytes: task.body)))
        // The client parses the text again: it has to find what was judged, and must not encode anything anew.
        guard request.url.absoluteString == resolved.url.text,
            request.host == resolved.url.clientHost || request.host == resolved.url.hostText,
            request.port == resolved.url.port, request.scheme == resolved.url.scheme.rawValue
        else { throw HTTPClientError.invalidURL }
        return request
    }
}

extension WebhookURL {
    /// The host as the HTTP client knows it: without brackets.
    var clientHost: String {
        switch host {
        case .name(let name): name
        case .address(let address): "\(address)"
        }
    }
}
