/// What one provider of models sends, after public descriptions and users' reports, as far as these show it. Written for this
/// simulator; no recording. An address in a fixture says where the provider describes its interface.
public struct ProviderFixture: Sendable {
    /// Lower-case letters, digits and hyphens.
    public var name: String
    /// How the lines of its event streams end.
    public var lineEnd: LineEnd
    /// The first is played if nothing else is asked for.
    public var shapes: [ProviderShape]

    init(_ name: String, lineEnd: LineEnd = .lf, _ shapes: [ProviderShape]) {
        self.name = name
        self.lineEnd = lineEnd
        self.shapes = shapes
    }

    /// Why `NAME[:SHAPE]` means nothing.
    public struct Unknown: Error, Sendable, CustomStringConvertible {
        /// One sentence with the names that exist.
        public var description: String
    }

    /// All of them, in the order of `docs/GATEWAYS.md`.
    public static let all: [ProviderFixture] =
        [.openai, .azure, .anthropic, .gemini, .mistral, .deepseek, .xai, .groq, .openrouter, .moonshot, .perplexity]
        + [.together, .fireworks, .ollama, .vllm, .sglang, .llamacpp, .lmstudio, .litellm, .field]

    /// - Parameter text: `NAME` or `NAME:SHAPE`.
    public static func named(_ text: String) throws(Unknown) -> Choice {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let fixture = all.first(where: { $0.name == parts.first }) else {
            throw Unknown(
                description: "unknown provider \(text); there are: \(all.map(\.name).joined(separator: ", "))")
        }
        guard parts.count > 1 else { return Choice(fixture: fixture) }
        guard let shape = fixture.shapes.first(where: { $0.name == parts[1] }) else {
            let names = fixture.shapes.map(\.name).joined(separator: ", ")
            throw Unknown(description: "unknown shape \(parts[1]) of \(fixture.name); there are: \(names)")
        }
        return Choice(fixture: fixture, shape: shape)
    }

    /// A provider, and perhaps the one shape that it plays for every request.
    public struct Choice: Sendable {
        public var fixture: ProviderFixture
        public var shape: ProviderShape?

        public init(fixture: ProviderFixture, shape: ProviderShape? = nil) {
            self.fixture = fixture
            self.shape = shape
        }

        /// Without a shape of its own choice a request with tools gets `tools`, if there is such a shape.
        func shape(callsTools: Bool) -> ProviderShape? {
            if let shape { return shape }
            let tools = callsTools ? fixture.shapes.first { $0.name == "tools" } : nil
            return tools ?? fixture.shapes.first
        }
    }
}
