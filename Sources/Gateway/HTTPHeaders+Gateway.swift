import ChatModel
import NIOHTTP1

/// What the requests of both protocols have in their headers.
extension HTTPHeaders {
    mutating func addHost(_ endpoint: GatewayConfiguration.Endpoint) {
        let host = endpoint.host.utf8.contains(0x3A) ? "[\(endpoint.host)]" : endpoint.host
        let isDefault = endpoint.port == (endpoint.isSecure ? 443 : 80)
        add(name: "Host", value: isDefault ? host : "\(host):\(endpoint.port)")
    }

    /// What it carries, who asks, with which key, and for which trace.
    mutating func addRequest(_ configuration: GatewayConfiguration, key: GatewayKey, trace: TraceContext?) {
        add(name: "Content-Type", value: "application/json")
        add(name: "User-Agent", value: "chat-worker")
        if let header = configuration.header(of: key) { add(name: header.name, value: header.value) }
        for header in key.headers { add(name: header.name, value: header.value) }
        if let trace {
            add(name: "traceparent", value: trace.traceparent)
            if !trace.tracestate.isEmpty { add(name: "tracestate", value: trace.tracestate) }
        }
    }
}

extension HTTPResponseHead {
    /// HTTP's begin with 100; its parser lets 000 to 099 through, and whoever takes those for a number below 200 waits for an
    /// answer that has already come.
    var hasStatus: Bool { status.code >= 100 }

    static let noStatus = "The gateway answered with a status that HTTP does not have."
}
