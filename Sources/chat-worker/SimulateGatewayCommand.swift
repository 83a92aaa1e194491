import ArgumentParser
import GatewaySimulator
import WorkerService

/// `chat-worker simulate gateway`
struct SimulateGatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Speaks the model gateway's protocols (WebSocket, event streams), from a script or a real model.",
        discussion: """
            Example: a slow gateway that loses every tenth connection after 20 tokens
              chat-worker simulate gateway --port 8090 --rate 30 --fault cut:20@10%

            Example: the same protocol in front of any OpenAI-compatible server
              chat-worker simulate gateway --port 8090 --upstream http://127.0.0.1:8098

            On the same port POST /v1/chat/completions is answered with server-sent events, through TLS over HTTP/2 too.
            There close ends the body, cut and reset the connection or the HTTP/2 stream; fragments and pings are one event,
            and bad-frame and late have no meaning.

            Faults:
              \(Fault.forms.joined(separator: "\n              "))
            Each takes @N, @N-M (the Nth request only, from 1; for refuse, hang and drip-head the Nth upgrade or POST, for
            mute the Nth connection) or @P% (by chance).
            --scenario FILE has rules by model, user and text, and a random mix: docs/GATEWAYS.md.
            One request asks for its own with "x_simulate": "cut:5@1,rate:10", or at the end of its user:
            "user": "job-1;simulate=cut:5@1". Also there: tokens:N, rate:N, first-token:MS.
            Providers, for --provider NAME[:SHAPE]; without a shape the first, or with tools in the request the shape "tools":
              \(ProviderFixture.all.map { "\($0.name): \($0.shapes.map(\.name).joined(separator: ", "))" }
                .joined(separator: "\n  "))
            With --upstream only mute, refuse, hang and drip-head have an effect.
            """)

    @OptionGroup(title: "Listening") var listening: ListeningOptions
    @Option(
        help: ArgumentHelp("File with the keys (sk-…) that are let in, one a line. Default: any.", valueName: "file"))
    var keyFile: String?
    @Option(help: ArgumentHelp("PEM file with the certificate chain, for wss and https.", valueName: "file"))
    var certificate: String?
    @Option(help: ArgumentHelp("PEM file with the certificate's key.", valueName: "file"))
    var key: String?
    @Option(help: ArgumentHelp("Event loops. Default: 1.", valueName: "n"))
    var threads = 1

    @OptionGroup(title: "What it says") var speech: SpeechOptions
    @OptionGroup(title: "How it says it") var manner: MannerOptions

    @Option(help: ArgumentHelp("Something to go wrong; see below. Repeat for more.", valueName: "kind"))
    var fault: [String] = []

    @Option(
        help: ArgumentHelp(
            "TOML file that says what goes wrong, for whom and how often; it wins over other options.",
            valueName: "file"))
    var scenario: String?

    @Option(
        help: ArgumentHelp("Bridge to this OpenAI-compatible server (POST URL/v1/chat/completions).", valueName: "url"))
    var upstream: String?
    @Option(help: ArgumentHelp("File with the upstream's key.", valueName: "file"))
    var upstreamKeyFile: String?
    @Option(help: ArgumentHelp("Ask the upstream for this model, whatever the request says.", valueName: "name"))
    var upstreamModel: String?

    @Option(help: ArgumentHelp("Append one JSON line for each answer that ended.", valueName: "file"))
    var transcript: String?

    mutating func validate() throws {
        _ = try faultRules()
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--certificate and --key go together.")
        }
        guard threads > 0 else { throw ValidationError("--threads must be at least 1.") }
        guard upstream != nil || (upstreamKeyFile == nil && upstreamModel == nil) else {
            throw ValidationError("--upstream-key-file and --upstream-model need --upstream.")
        }
        if let upstream, !upstream.hasPrefix("http://"), !upstream.hasPrefix("https://") {
            throw ValidationError("--upstream starts with http:// or https://.")
        }
    }

    func run() async throws {
        let options = try Exit.mapping { try makeOptions() }
        OpenFilesLimit.raise()
        let gateway = try await StandIn.start { try await SimulatedGateway.start(options) }
        StandIn.announce(kind: "gateway", url: gateway.url, port: gateway.port, json: listening.json)
        await StandIn.untilToldToStop()
        let counters = gateway.counters
        await gateway.shutdown()
        StandIn.print(
            json: listening.json,
            [
                ("event", .text("stopped")), ("connections", .number(counters.connections)),
                ("refused", .number(counters.refused)), ("requests", .number(counters.requests)),
                ("most_at_once", .number(counters.mostAtOnce)),
                ("answers", .number(counters.answers)), ("tokens", .number(counters.tokens)),
            ],
            human: """
                \(counters.answers) of \(counters.requests) requests answered, \(counters.mostAtOnce) at once at most, \
                \(counters.tokens) tokens, \(counters.connections) connections, \(counters.refused) refused
                """)
    }

    private func faultRules() throws -> [FaultRule] {
        do {
            return try fault.map { text throws(Fault.ParseError) in try FaultRule(parsing: text) }
        } catch {
            throw ValidationError("--fault \(error)")
        }
    }

    private func makeOptions() throws -> SimulatedGateway.Options {
        var options = SimulatedGateway.Options()
        options.host = listening.host
        options.port = listening.port
        options.threads = threads
        options.apiKeys = try keyFile.map { try TextFile.lines($0) } ?? []
        if let certificate, let key { options.tls = .init(certificateFile: certificate, keyFile: key) }
        try speech.apply(to: &options)
        manner.apply(to: &options)
        options.faults = try faultRules()
        if let scenario { try ScenarioOption.apply(scenario, to: &options) }
        if let upstream {
            let base = upstream.hasSuffix("/") ? String(upstream.dropLast()) : upstream
            options.upstream = .init(
                url: base, apiKey: try upstreamKeyFile.map { try TextFile.lines($0).first ?? "" }, model: upstreamModel)
        }
        options.transcriptPath = transcript
        options.recordsAnswers = false
        return options
    }
}
