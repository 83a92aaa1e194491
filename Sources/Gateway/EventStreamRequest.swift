import ChatModel
import NIOHTTP1

/// The head of a chat completion request over HTTP, and the judgement of its answer's head.
enum EventStreamRequest {
    static func head(
        configuration: GatewayConfiguration, key: GatewayKey, bodySize: Int, trace: TraceContext?
    ) -> HTTPRequestHead {
        var headers = HTTPHeaders()
        headers.addHost(configuration.endpoint)
        headers.add(name: "Accept", value: "text/event-stream")
        headers.add(name: "Content-Length", value: String(bodySize))
        headers.addRequest(configuration, key: key, trace: trace)
        return HTTPRequestHead(version: .http1_1, method: .POST, uri: configuration.endpoint.path, headers: headers)
    }

    /// `nil`: the body is an event stream. Else what a 2xx answer is instead.
    static func complaint(about response: HTTPResponseHead) -> String? {
        guard response.status == .ok else { return "another status than 200" }
        let types = response.headers["Content-Type"]
        guard types.count == 1 else { return types.isEmpty ? "an answer without a type" : "an answer of several types" }
        let type = types[0].prefix { $0 != ";" }.filter { !$0.isWhitespace }.lowercased()
        guard type == "text/event-stream" else {
            return type == "application/json" ? "a whole JSON document" : "something else"
        }
        let encodings = response.headers[canonicalForm: "Content-Encoding"]
        return encodings.allSatisfy { $0.lowercased() == "identity" } ? nil : "a compressed answer"
    }
}
