public import ArgumentParser
public import GatewaySimulator

extension EscapeMode: ExpressibleByArgument {}
extension LineEnd: ExpressibleByArgument {}
extension SimulatedGateway.FrameKind: ExpressibleByArgument {}

/// Where a stand-in listens and how it reports.
struct ListeningOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address to listen on.", valueName: "address"))
    var host = "127.0.0.1"
    @Option(help: ArgumentHelp("Port; 0 takes a free one, which is printed.", valueName: "port"))
    var port = 0
    @Flag(help: "Print JSON lines.")
    var json = false

    mutating func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port is 0 to 65535.") }
    }
}

/// What the simulated model says, and when.
struct SpeechOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("UTF-8 file with the text. Default: a built-in text in many scripts.", valueName: "file"))
    var text: String?
    @Option(help: ArgumentHelp("Tokens of an answer. Default: the text once. max_tokens is respected.", valueName: "n"))
    var tokens: Int?
    @Option(help: ArgumentHelp("Tokens a second of each stream; 0 is as fast as it goes.", valueName: "n"))
    var rate = 0.0
    @Option(help: ArgumentHelp("Milliseconds from the request to its first token.", valueName: "ms"))
    var firstToken = 0
    @Option(help: ArgumentHelp("Everything random follows from it, except chunk ids.", valueName: "n"))
    var seed: UInt64 = 1
    @Flag(help: "Each answer begins elsewhere in the text, as its user says.")
    var vary = false
    @Flag(help: "The text is the last user message.")
    var echo = false
    @Flag(help: "Tokens are NANOSECONDS:SEQUENCE, by the monotonic clock; for benchmarks.")
    var timestamps = false
    @Option(
        help: ArgumentHelp(
            "Answer as this provider does, with a text of its own; see below for the names.", valueName: "name[:shape]")
    )
    var provider: String?
    @Flag(help: "Answer requests that have tools with calls of them.")
    var toolCalls = false

    mutating func validate() throws {
        guard tokens ?? 0 >= 0 else { throw ValidationError("--tokens cannot be negative.") }
        guard rate >= 0, rate.isFinite else { throw ValidationError("--rate cannot be negative.") }
        _ = try chosenProvider()
        guard firstToken >= 0 else { throw ValidationError("--first-token cannot be negative.") }
    }

    private func chosenProvider() throws -> ProviderFixture.Choice? {
        do {
            return try provider.map { text throws(ProviderFixture.Unknown) in try ProviderFixture.named(text) }
        } catch {
            throw ValidationError("--provider: \(error).")
        }
    }

    func apply(to options: inout SimulatedGateway.Options) throws {
        options.provider = try chosenProvider()
        options.text = try text.map(TextFile.contents)
        options.tokens = tokens
        options.tokensPerSecond = rate
        options.firstTokenDelay = .milliseconds(firstToken)
        options.seed = seed
        options.varies = vary
        options.echoesPrompt = echo
        options.stampsTokens = timestamps
        options.callsTools = toolCalls
    }
}

/// How the chunks are wrapped.
struct MannerOptions: ParsableArguments {
    @Option(help: "Which data frames carry the chunks.")
    var frames = SimulatedGateway.FrameKind.text
    @Flag(help: "Cut messages into fragments at any byte; also the pieces of event streams.")
    var fragment = false
    @Option(help: "How much of the text is written as \\uXXXX.")
    var escape = EscapeMode.none
    @Flag(help: "Escape surrogate pairs and cut them between two chunks.")
    var splitSurrogates = false
    @Flag(help: "Never send a usage chunk.")
    var noUsage = false
    @Flag(help: "Send [DONE] at the end of an answer.")
    var done = false
    @Option(help: "How the lines of event streams end.")
    var lineEnd = LineEnd.lf
    @Flag(help: "Send comments between the events of event streams.")
    var comments = false
    @Flag(help: "Speak HTTP/1.1 only, through TLS too.")
    var noHttp2 = false
    @Flag(help: "Close with 1000 after each answer.")
    var closeAfterAnswer = false

    func apply(to options: inout SimulatedGateway.Options) {
        options.frames = frames
        options.fragmentsMessages = fragment
        options.escape = escape
        options.splitsSurrogates = splitSurrogates
        options.sendsUsage = !noUsage
        options.sendsDone = done
        options.closesAfterAnswer = closeAfterAnswer
        options.lineEnd = lineEnd
        options.sendsComments = comments
        options.speaksHTTP2 = !noHttp2
    }
}
