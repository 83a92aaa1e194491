import ChatModel
import Testing

@testable import GatewaySimulator

/// Starts a gateway and a client, and ends both.
func withGateway(
    _ change: (inout SimulatedGateway.Options) -> Void = { _ in },
    _ body: @escaping @Sendable (SimulatedGateway, TestClient) async throws -> Void
) async throws {
    var options = SimulatedGateway.Options()
    change(&options)
    let gateway = try await SimulatedGateway.start(options)
    do {
        try await withDeadline {
            try await body(gateway, try await TestClient.connect(port: gateway.port))
        }
    } catch {
        await gateway.shutdown()
        throw error
    }
    await gateway.shutdown()
}

/// A request of the guide's form; `extra` is put in as it is.
func chatRequest(_ extra: String = "", stream: Bool = true, usage: Bool = true, prompt: String = "hi") -> String {
    let options = usage ? ",\"stream_options\":{\"include_usage\":true}" : ""
    return """
        {"model":"gpt-4.1","messages":[{"role":"user","content":\
        \(String(decoding: JSONEscaping.quoted(prompt), as: UTF8.self))}],"stream":\(stream)\(options)\
        \(extra.isEmpty ? "" : "," + extra)}
        """
}

/// What the chunks of one answer say together, choice by choice.
struct JoinedAnswer {
    var ids: Set<String> = []
    var roles: [Int: Int] = [:]
    var contents: [Int: [String]] = [:]
    var finishReasons: [Int: String] = [:]
    var toolCalls: [Int: (name: String, arguments: String)] = [:]
    var usage: JSONValue?

    /// Raw contents are joined before they are decoded: a surrogate pair may be split between chunks.
    init(_ messages: [TestClient.Message]) throws {
        for message in messages {
            let json = try JSONValue(parsing: message.bytes)
            #expect(json["object"] == .string("chat.completion.chunk"))
            ids.insert(json["id"]?.stringValue ?? "")
            if let usage = json["usage"], !usage.isNull { self.usage = usage }
            for choice in json["choices"]?.arrayValue ?? [] {
                let index = try #require(choice["index"]?.integerValue)
                let delta = try #require(choice["delta"])
                if delta["role"] != nil { roles[index, default: 0] += 1 }
                if let content = delta["content"]?.stringValue, delta["role"] == nil {
                    contents[index, default: []].append(content)
                }
                if let reason = choice["finish_reason"]?.stringValue { finishReasons[index] = reason }
                for call in delta["tool_calls"]?.arrayValue ?? [] {
                    let number = try #require(call["index"]?.integerValue)
                    var known = toolCalls[number] ?? ("", "")
                    known.name += call["function"]?["name"]?.stringValue ?? ""
                    known.arguments += call["function"]?["arguments"]?.stringValue ?? ""
                    toolCalls[number] = known
                }
            }
        }
    }

    func text(_ choice: Int = 0) -> String { contents[choice, default: []].joined() }
}

/// Whether a message carries the usage that ends an answer.
func isUsage(_ message: TestClient.Message) -> Bool {
    message.json["usage"].map { !$0.isNull } ?? false
}
