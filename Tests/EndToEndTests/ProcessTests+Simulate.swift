import ChatModel
import Foundation
import Gateway
import Logging
import NIOPosix
import TestSupport
import Testing

extension ProcessTests {
    /// `chat-worker simulate gateway --scenario FILE`
    @Suite(.serialized) struct Simulate {
        private static let example = TestBroker.checkout.appending(path: "docs/examples/scenario.toml").path

        /// Every mistake with its line and key, those included that only the simulator knows.
        @Test func mistakesEndWith78() async throws {
            let files = FileManager.default.temporaryDirectory.appending(path: "scenario-\(UUID().uuidString).toml")
            defer { try? FileManager.default.removeItem(at: files) }
            try Data(
                """
                tokens = "many"
                [rules.a]
                fault = "explode:3"
                [rules.b]
                model = "m"
                fault = "mute"
                [mix]
                "cut" = 60
                "reset" = 60
                "cut:x" = 1
                """.utf8
            ).write(to: files)
            let result = try await ChatWorkerBinary.run("simulate", "gateway", "--scenario", files.path)
            #expect(result.exitCode == 78 && result.output.isEmpty)
            let lines = result.errors.split(separator: "\n").map { $0.dropFirst(files.path.count + 1) }
            let wanted = [
                "1: tokens: must be an integer", "3: rules.a.fault: explode:3: the faults are refuse",
                "6: rules.b.fault: strikes before anything was asked",
                "7: mix: what it does to requests is more than 100",
                "10: mix.\"cut:x\": cut:x: the form is cut[:TOKENS]",
            ]
            #expect(lines.count == wanted.count, "\(result.errors)")
            for (line, start) in zip(lines, wanted) { #expect(line.hasPrefix(start), "\(line)") }
        }

        @Test func aFileThatIsNotThere() async throws {
            let result = try await ChatWorkerBinary.run("simulate", "gateway", "--scenario", "/nonexistent.toml")
            #expect(result.exitCode == 78 && result.errors.contains("/nonexistent.toml"))
        }

        /// The example of the documents, asked by the worker's own client over both protocols.
        @Test(arguments: [GatewayConfiguration.Transport.websocket, .sse])
        func theExampleIsPlayed(_ transport: GatewayConfiguration.Transport) async throws {
            let process = try ChildProcess(
                [ChatWorkerBinary.path, "simulate", "gateway", "--json", "--scenario", Self.example])
            let ready = try await process.log.first("ready", timeout: .seconds(30)) { event -> Int? in
                guard case .output(let line) = event, let json = try? JSONValue(parsing: line.utf8) else { return nil }
                return json["port"]?.integerValue
            }
            let client = try GatewayClient(
                configuration: GatewayConfiguration(
                    name: "example", transport: transport,
                    endpoint: .init(
                        isSecure: false, host: "127.0.0.1", port: ready,
                        path: transport == .sse ? "/v1/chat/completions" : "/v1/realtime/chat/completions"),
                    apiKey: ""), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            // The rules are sure; the mix is not, and asks nothing of the model that is healthy but its connection.
            let healthy = try await Self.ask(client, "gpt-4.1", "hi")
            #expect(healthy == nil || healthy == "gateway_connect_timeout")
            let broken = try await Self.ask(client, "gpt-4.1", "please break off")
            #expect(broken == nil, "an earlier rule says that nothing goes wrong on this model")
            let refusals = [
                try await Self.ask(client, "gemini-2.5-flash", "1"),
                try await Self.ask(client, "gemini-2.5-flash", "2"),
            ]
            #expect(refusals.last == "gateway_rate_limited")
            let cut = try await Self.ask(client, "other", "please break off")
            #expect(cut == "gateway_closed")
            await client.shutdown()
            process.signal(SIGTERM)
            #expect(try await process.exitCode() == 0)
        }

        /// The code of the failure, if it fails.
        private static func ask(_ client: GatewayClient, _ model: String, _ text: String) async throws -> String? {
            let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"\#(text)"}],"stream":true}"#
            let (ends, continuation) = AsyncStream.makeStream(of: GatewayStreamEnd.self)
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            try await loop.submit {
                _ = client.open(
                    .init(model: model, body: .init(string: body)), on: loop, handler: EndHandler(continuation))
            }.get()
            for await end in ends { if case .failed(let failure) = end { return failure.code } else { return nil } }
            return nil
        }
    }
}

private final class EndHandler: GatewayStreamHandler {
    private let ends: AsyncStream<GatewayStreamEnd>.Continuation

    init(_ ends: AsyncStream<GatewayStreamEnd>.Continuation) { self.ends = ends }

    func streamStarted(onReusedConnection reused: Bool) {}
    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer) {}
    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer) {}
    func streamEnded(_ end: GatewayStreamEnd) { ends.yield(end) }
}
