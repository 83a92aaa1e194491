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

    /// What the head of an answer promises.
    enum Promise: Equatable {
        case eventStream
        /// Something else, or nothing, or several things: the body is looked at.
        case unclear
        /// What it is instead.
        case refusal(String)
    }

    static func promise(of response: HTTPResponseHead) -> Promise {
        guard response.status == .ok else { return .refusal("another status than 200") }
        let encodings = response.headers[canonicalForm: "Content-Encoding"]
        guard encodings.allSatisfy({ $0.lowercased() == "identity" }) else { return .refusal("a compressed answer") }
        let types = response.headers["Content-Type"]
        return types.count == 1 && type(of: response) == "text/event-stream" ? .eventStream : .unclear
    }

    /// What an answer is that begins like no stream.
    static func kind(of response: HTTPResponseHead) -> String {
        if case .refusal(let kind) = promise(of: response) { return kind }
        let types = response.headers["Content-Type"]
        guard types.count == 1 else { return types.isEmpty ? "an answer without a type" : "an answer of several types" }
        return type(of: response) == "application/json" ? "a whole JSON document" : "something else"
    }

    private static func type(of response: HTTPResponseHead) -> String {
        (response.headers["Content-Type"].first ?? "").prefix { $0 != ";" }.filter { !$0.isWhitespace }.lowercased()
    }
}
