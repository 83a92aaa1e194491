import AsyncHTTPClient
import ChatModel
import NIOCore
import NIOHTTP1
import Webhooks

/// Asks an OpenAI-compatible HTTP server and passes its stream on, one message for each event.
final class UpstreamBridge: Sendable {
    /// How an answer ended, and what is known of it.
    struct End: Sendable {
        /// The upstream ended its stream.
        var isComplete = false
        /// A finish reason came; a client may go away then without having missed anything.
        var isFinished = false
        var id = ""
        var model = ""
        var messages = 0
        /// Of choice 0.
        var text = ""
    }

    /// An error of the upstream that is kept no further than this.
    private static let maximumErrorSize = 65_536
    private static let done = Array("[DONE]".utf8)

    private let upstream: SimulatedGateway.Upstream
    private let client: HTTPClient
    /// The answers under way.
    let tally = TaskTally()
    /// Whether `[DONE]` is passed on; most clients of the WebSocket protocol do not expect it.
    private let passesDone: Bool

    init(upstream: SimulatedGateway.Upstream, passesDone: Bool, group: any EventLoopGroup) {
        self.upstream = upstream
        self.passesDone = passesDone
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        // A client of the bridge is to hear at once that there is no upstream.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        // A stream may be of any length.
        GuardedConnections(url: upstream.url, maximumAnswerSize: .max / 2)?.install(in: &configuration)
        self.client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// Ends the answers under way and returns when their tasks have let go of the event loops.
    func shutdown() async throws {
        let result: Result<Void, any Error>
        do { result = .success(try await client.shutdown()) } catch { result = .failure(error) }
        await tally.waitUntilEmpty()
        try result.get()
    }

    /// Streams the answer to `body` into `deliver`, which returns when the client's socket has taken the messages.
    /// Ends early, and lets go of the upstream, when its task is cancelled or `deliver` throws.
    func answer(
        _ body: ByteBuffer, deliver: @Sendable ([[UInt8]]) async throws -> Void
    ) async -> End {
        var end = End()
        do {
            let request = try makeRequest(body)
            let response = try await client.execute(
                request, timeout: .nanoseconds(upstream.timeout.nanosecondsClamped))
            guard response.status == .ok else {
                try await deliver([await errorMessage(of: response)])
                return end
            }
            try await relay(response, into: &end, deliver: deliver)
            end.isComplete = true
        } catch let error as JSONError {
            try? await deliver([ErrorBody.nested(type: "invalid_request_error", message: "\(error)")])
        } catch is CancellationError {
            return end
        } catch {
            let message =
                end.messages == 0
                ? "The upstream model server cannot be reached" : "The upstream model server went away"
            try? await deliver([ErrorBody.shaped(.typed, type: "server_error", message: message, status: 502)])
        }
        return end
    }

    private func makeRequest(_ body: ByteBuffer) throws -> HTTPClientRequest {
        var request = HTTPClientRequest(url: upstream.url + "/v1/chat/completions")
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "accept", value: "text/event-stream")
        if let key = upstream.apiKey { request.headers.add(name: "authorization", value: "Bearer \(key)") }
        request.body = .bytes(try Self.streaming(body, model: upstream.model))
        return request
    }

    /// The request with `stream: true` and the upstream's model, untouched where it is so already.
    static func streaming(_ body: ByteBuffer, model: String?) throws(JSONError) -> ByteBuffer {
        let json = try JSONValue(parsing: body.readableBytesView)
        guard case .object(var members) = json, json["stream"] != .bool(true) || model != nil else { return body }
        members.removeAll { $0.key == "stream" || (model != nil && $0.key == "model") }
        if let model { members.append(.init("model", .string(model))) }
        members.append(.init("stream", .bool(true)))
        return ByteBuffer(bytes: JSONValue.object(members).serialized())
    }

    private func relay(
        _ response: HTTPClientResponse, into end: inout End,
        deliver: @Sendable ([[UInt8]]) async throws -> Void
    ) async throws {
        var parser = ServerSentEventParser()
        for try await part in response.body {
            let events = try parser.consume(part.readableBytesView)
            try await pass(events, into: &end, deliver: deliver)
        }
        try await pass(parser.finish(), into: &end, deliver: deliver)
    }

    private func pass(
        _ events: [[UInt8]], into end: inout End,
        deliver: @Sendable ([[UInt8]]) async throws -> Void
    ) async throws {
        let events = passesDone ? events : events.filter { $0 != Self.done }
        guard !events.isEmpty else { return }
        for event in events { Self.note(event, in: &end) }
        end.messages += events.count
        try await deliver(events)
    }

    private static func note(_ event: [UInt8], in end: inout End) {
        guard let json = try? JSONValue(parsing: event) else { return }
        if end.id.isEmpty { end.id = json["id"]?.stringValue ?? "" }
        if end.model.isEmpty { end.model = json["model"]?.stringValue ?? "" }
        for choice in json["choices"]?.arrayValue ?? [] where (choice["index"]?.integerValue ?? 0) == 0 {
            end.text += choice["delta"]?["content"]?.stringValue ?? ""
            if choice["finish_reason"]?.stringValue != nil { end.isFinished = true }
        }
    }

    /// The upstream's own error object, with its status and `Retry-After`.
    private func errorMessage(of response: HTTPClientResponse) async -> [UInt8] {
        let status = Int(response.status.code)
        let retryAfter = response.headers.first(name: "retry-after")
        let body = try? await response.body.collect(upTo: Self.maximumErrorSize)
        let json = body.flatMap { try? JSONValue(parsing: $0.readableBytesView) }
        guard case .object(var members) = json?["error"] else {
            return ErrorBody.shaped(
                .typed, type: ErrorBody.type(forStatus: status), message: "The upstream answered with HTTP \(status)",
                status: status, retryAfter: retryAfter)
        }
        if let retryAfter {
            members.append(.init("headers", .object([.init("retry-after", .string(retryAfter))])))
        }
        return JSONValue.object([
            .init("type", .string("error")), .init("status", .integer(status)), .init("error", .object(members)),
        ]).serialized()
    }
}
