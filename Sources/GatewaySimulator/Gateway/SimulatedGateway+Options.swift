extension SimulatedGateway {
    /// Which data frames carry the chunks.
    public enum FrameKind: String, Sendable, CaseIterable {
        case text, binary
        /// Either, chosen by the seed for each message.
        case mixed
    }

    /// PEM files for `wss://` and `https://`.
    public struct TLS: Sendable, Equatable {
        /// The chain, the server's own certificate first.
        public var certificateFile: String
        public var keyFile: String
        /// Nothing newer than TLS 1.1.
        public var isOld: Bool

        public init(certificateFile: String, keyFile: String, isOld: Bool = false) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.isOld = isOld
        }
    }

    /// An OpenAI-compatible HTTP server whose streams (SSE) go out over the WebSocket.
    public struct Upstream: Sendable, Equatable {
        /// `http://` or `https://`, without `/v1/chat/completions`.
        public var url: String
        /// Sent as `Authorization: Bearer`.
        public var apiKey: String?
        /// Replaces the request's `model`.
        public var model: String?
        /// From the request to the upstream's answer head.
        public var timeout: Duration

        public init(url: String, apiKey: String? = nil, model: String? = nil, timeout: Duration = .seconds(120)) {
            self.url = url
            self.apiKey = apiKey
            self.model = model
            self.timeout = timeout
        }
    }

    /// How the simulated gateway behaves. The defaults are a fast and faultless gateway on loopback.
    public struct Options: Sendable {
        public var host = "127.0.0.1"
        /// 0 takes a free one.
        public var port = 0
        /// The path of the WebSocket endpoint.
        public var path = "/v1/realtime/chat/completions"
        /// The path of requests (POST) that are answered with server-sent events.
        public var httpPath = "/v1/chat/completions"
        /// HTTP/2 for those who ask for it through TLS.
        public var speaksHTTP2 = true
        /// Keys that are let in; empty lets everybody in.
        public var apiKeys: [String] = []
        public var tls: TLS?
        /// Event loops; connections are spread over them.
        public var threads = 1

        /// What the model says; `nil` is a built-in text in many scripts.
        public var text: String?
        /// Tokens of an answer; `nil` is the whole text once. Longer answers repeat the text. `max_tokens` cuts it.
        public var tokens: Int?
        /// Of each choice of each answer; 0 is as fast as the connection takes it.
        public var tokensPerSecond: Double = 0
        /// From the request to its first chunk.
        public var firstTokenDelay: Duration = .zero
        /// Everything that is random follows from it, except the ids of answers.
        public var seed: UInt64 = 1
        /// Each answer begins elsewhere in the text, at a place that follows from the request's `user`.
        public var varies = false
        /// The text is the last user message of the request.
        public var echoesPrompt = false
        /// Each token is `NANOSECONDS:SEQUENCE `: the monotonic clock when it was written, and a count from 0.
        public var stampsTokens = false
        /// Requests with `tools` are answered with calls of the first two.
        public var callsTools = false
        /// Answers have the form of this provider, with a text of its own; `text` and `tokens` mean nothing then.
        public var provider: ProviderFixture.Choice?

        public var frames = FrameKind.text
        /// Messages are cut into fragments at any byte; so are the pieces in which events are written.
        public var fragmentsMessages = false
        public var escape = EscapeMode.none
        /// Escaped surrogate pairs are cut between two chunks.
        public var splitsSurrogates = false
        /// A usage chunk where the request asks for it.
        public var sendsUsage = true
        /// A last message `[DONE]`; event streams always have it.
        public var sendsDone = false
        /// Of event streams.
        public var lineEnd = LineEnd.lf
        /// Comments between events, as some gateways keep connections alive.
        public var sendsComments = false
        /// Closes with 1000 after each answer.
        public var closesAfterAnswer = false
        /// The first rule that fits a connection, an upgrade or a request (see `Fault.Stage`) is carried out.
        public var faults: [FaultRule] = []
        /// Asked where none of `faults` fits.
        public var scenario = Scenario()

        /// Bridges to a real model instead of speaking itself.
        public var upstream: Upstream?
        /// Keeps every answer for `answers`; memory grows with them.
        public var recordsAnswers = true
        /// A file that gets one line of JSON for each answer.
        public var transcriptPath: String?
        /// Largest request in bytes; over it the connection is closed with 1009.
        public var maximumRequestSize = 16 << 20

        public init() {}

        var style: TokenScript.Style {
            TokenScript.Style(escape: escape, splitSurrogates: splitsSurrogates, seed: seed)
        }
    }

    /// Counts since the start.
    public struct Counters: Sendable, Equatable {
        /// Connections that were let in, or asked for an event stream.
        public var connections = 0
        /// Of those, the ones still open.
        public var openConnections = 0
        /// Upgrades, and requests over HTTP, that were refused.
        public var refused = 0
        public var requests = 0
        /// The most that were under way at one time.
        public var mostAtOnce = 0
        /// Answers that ended as they should.
        public var answers = 0
        /// Content tokens sent; with an upstream, its messages.
        public var tokens = 0
    }
}
