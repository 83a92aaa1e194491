import ChatModel
import Gateway
import GatewaySimulator
import Logging
import NIOCore
import NIOPosix

/// What the client made of one shape of a provider.
struct ProviderAnswer: Sendable {
    var end: GatewayStreamEnd
    /// The joined answer, as a result holds it.
    var choice: JSONValue?
    /// The usage as it came.
    var usage: JSONValue?

    var text: String { choice?["message"]?["content"]?.stringValue ?? "" }
    var reasoning: String {
        let message = choice?["message"]
        return message?["reasoning_content"]?.stringValue ?? message?["reasoning"]?.stringValue ?? ""
    }
    /// `name(arguments)` of each call.
    var calls: [String] {
        (choice?["message"]?["tool_calls"]?.arrayValue ?? []).map { call in
            let function = call["function"]
            return "\(function?["name"]?.stringValue ?? "")(\(function?["arguments"]?.stringValue ?? ""))"
        }
    }
    var finish: String { choice?["finish_reason"]?.stringValue ?? "" }
    /// `complete`, or the code of the failure.
    var outcome: String {
        switch end {
        case .complete: "complete"
        case .failed(let failure): failure.code
        case .cancelled: "cancelled"
        }
    }

    /// Plays a shape to a real client over a socket on loopback.
    static func of(
        _ name: String, over transport: GatewayConfiguration.Transport,
        change: (inout GatewayConfiguration) -> Void = { _ in }
    ) async throws -> ProviderAnswer {
        var options = SimulatedGateway.Options()
        options.provider = try ProviderFixture.named(name)
        let gateway = try await SimulatedGateway.start(options)
        let client = try GatewayClient.test(port: gateway.port) { configuration in
            configuration.transport = transport
            configuration.endpoint.path =
                transport == .sse ? "/v1/chat/completions" : "/v1/realtime/chat/completions"
            configuration.idsChange = name.hasSuffix("new-ids")
            configuration.endGrace = .milliseconds(500)
            change(&configuration)
        }
        let body = ByteBuffer(
            string:
                #"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"?"}]}"#
        )
        let (answers, continuation) = AsyncStream<ProviderAnswer>.makeStream()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        _ = try await loop.submit {
            _ = client.open(GatewayRequest(model: "m", body: body), on: loop, handler: Joiner(continuation))
        }.get()
        let answer = try? await deadline {
            for await answer in answers { return answer }
            throw DeadlineExceeded()
        }
        await client.shutdown()
        await gateway.shutdown()
        guard let answer else { throw DeadlineExceeded() }
        return answer
    }
}

/// Joins what comes, as a job does.
private final class Joiner: GatewayStreamHandler {
    private var log = AnswerLog(defaults: .init(id: "fallback", model: "m", created: 1))
    private let continuation: AsyncStream<ProviderAnswer>.Continuation

    init(_ continuation: AsyncStream<ProviderAnswer>.Continuation) { self.continuation = continuation }

    func streamStarted(onReusedConnection reused: Bool) {}
    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer) { log.append(chunk, in: bytes) }
    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer) { log.append(text, in: bytes) }

    func streamEnded(_ end: GatewayStreamEnd) {
        log.end(isComplete: end == .complete)
        var body: [UInt8] = []
        log.appendCompletion(to: &body)
        let completion = try? JSONValue(parsing: body + [0x7D])
        continuation.yield(
            ProviderAnswer(
                end: end, choice: completion?["choices"]?.arrayValue?.first,
                usage: try? JSONValue(parsing: log.usage)))
        continuation.finish()
    }
}
