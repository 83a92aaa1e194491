public import ChatModel
import Gateway

extension WorkerConfiguration {
    /// `[gateways.NAME]`
    public struct Gateway: Sendable, Equatable {
        public enum Transport: String, Sendable, CaseIterable {
            /// One request and its chunks as frames on a WebSocket.
            case websocket
            /// A POST for each request, its chunks as server-sent events.
            case sse
        }

        public var url = ServiceURL.unset
        /// `nil`: what the scheme of `url` says.
        public var transport: Transport?
        public var keyFile = "gateway_key"
        public var keyVariable: String?
        /// Beside `keyFile`: all take turns.
        public var furtherKeyFiles: [String] = []
        /// What a key begins with; empty: anything.
        public var keyPrefix = "sk-"
        public var keyHeader = "Authorization"
        public var headersFile: String?
        public var certificateAuthorityFile: String?
        public var clientCertificateFile: String?
        public var clientKeyFile: String?
        public var proxy: ServiceURL?
        public var proxyCredentialsFile: String?
        public var includeUsage = true
        public var connectTimeout: Duration = .seconds(10)
        public var firstChunkTimeout: Duration = .seconds(60)
        public var idleTimeout: Duration = .seconds(60)
        public var endGrace: Duration = .milliseconds(500)
        public var bodyEndTimeout: Duration = .seconds(10)
        public var idsChange = false
        public var keepIdle: Duration = .seconds(30)
        public var maximumAge: Duration = .seconds(600)
        public var maximumIdle = 64
        public var minimumIdle = 0
        public var pingInterval: Duration = .seconds(15)
        public var pongTimeout: Duration = .seconds(5)
        /// Requests under way at once; 0: no limit.
        public var maximumInFlight = 0
        public var coolDownAfter = 5
        public var coolDown: Duration = .seconds(10)
        public var coolDownMost: Duration = .seconds(300)
        public var maximumMessageBytes = 1 << 20
        public var maximumFragments = 1_024
        public var errors = GatewayErrors()

        public init() {}

        public var key: SecretSource { SecretSource(file: keyFile, environmentVariable: keyVariable) }
    }

    /// `[gateways.NAME.errors]`: words of its refusals, beside those that are known of providers.
    public struct GatewayErrors: Sendable, Equatable {
        public var contextTooLong: [String] = []
        public var contentFilter: [String] = []
        public var outOfCredit: [String] = []
        public var modelGone: [String] = []
        public var overloaded: [String] = []
        public var rateLimited: [String] = []

        public init() {}
    }

    /// `[models.NAME]`
    public struct Model: Sendable, Equatable {
        /// `nil`: the only gateway there is.
        public var gateway: String?
        /// `nil`: the same name.
        public var upstream: String?
        /// USD for a million tokens.
        public var inputPrice: Double?
        public var outputPrice: Double?
        public var cachedInputPrice: Double?
        public var cacheWritePrice: Double?
        /// Asked in this order where it cannot answer.
        public var fallbacks: [String] = []
        public var fallbackOn = FallbackCause.allCases
        /// Requests under way at once; 0: no limit.
        public var maximumInFlight = 0
        /// In place of the gateway's.
        public var firstChunkTimeout: Duration?
        /// `nil`: as the request has it.
        public var limitName: RequestShape.LimitName?
        /// Left out of requests.
        public var dropped: [String] = []
        /// Put into requests that do not have them.
        public var extraBody: ExtraMembers?

        public init() {}
    }

    /// `[profiles.NAME]`
    public struct Profile: Sendable, Equatable {
        public var model: String?
        public var maximumTokens: Int?
        public var temperature: Double?
        /// In place of those of the model.
        public var fallbacks: [String]?
        /// Put into requests that do not have them.
        public var extraBody: ExtraMembers?

        public init() {}
    }
}

extension WorkerConfiguration.Gateway: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "url", \.url, .gateway,
            "The base, to which /realtime/chat/completions (wss://) or /chat/completions (https://) is added, or the full "
                + "address. A query is kept: ?api-version=2024-10-21.",
            isRequired: true, example: "\"wss://api.holysheep.ai/v1\""),
        .init(
            optional: "transport", \.transport, .choice(),
            "How the gateway streams; without it what the URL says: ws:// and wss:// websocket, http:// and https:// sse.",
            example: "\"websocket\""),
        .init("key_file", \.keyFile, .secretFileOrNone, "Holds the API key."),
        .init(
            optional: "key_env", \.keyVariable, .environmentVariable,
            "A variable with the API key, asked where the file does not exist.", example: "\"HOLYSHEEP_API_KEY\""),
        .init(
            "key_files", \.furtherKeyFiles, .list(of: .secretFile),
            "Further keys: all take turns, and one that the gateway refuses (401, or 403 for a model) rests for a while."
        ),
        .init(
            "key_prefix", \.keyPrefix, .text("beginning of a key", longest: 32, mayBeEmpty: true),
            "What every key of this gateway begins with: finds a wrong file before the gateway says 403."),
        .init(
            "key_header", \.keyHeader, .keyHeader,
            "The header that the key is sent in: Authorization as Bearer KEY, any other (Azure: api-key) as the bare key."
        ),
        .init(
            optional: "headers_file", \.headersFile, .secretFile,
            "Headers sent with every upgrade and request, one a line as `Name: value` (OpenAI-Organization, Portkey's, "
                + "Cloudflare's, OpenRouter's); a file, since they may be secrets. Read again by a reload.",
            example: "\"gateway_headers\""),
        .init(
            optional: "ca_file", \.certificateAuthorityFile, .file,
            "PEM file with the CAs to trust with wss:// and https://; without it the system's.",
            example: "\"/etc/chat-worker/gateway-ca.pem\""),
        .init(
            optional: "client_certificate_file", \.clientCertificateFile, .file,
            "PEM file with this worker's certificate, where the gateway asks for one, then its chain. Read at the start.",
            example: "\"/etc/chat-worker/gateway-client.pem\""),
        .init(
            optional: "client_key_file", \.clientKeyFile, .file, "PEM file with that certificate's key.",
            example: "\"/etc/chat-worker/gateway-client.key\""),
        .init(
            optional: "proxy", \.proxy, .gatewayProxy,
            "An HTTP proxy that is asked for a tunnel (CONNECT) to the gateway, with ws:// and http:// as well. Without it every "
                + "connection is direct, whatever HTTPS_PROXY says. A change needs a restart.",
            example: "\"http://proxy.internal:3128\""),
        .init(
            optional: "proxy_credentials_file", \.proxyCredentialsFile, .secretFile,
            "What the proxy asks for, as user:password; a file, since it is secret. Read at the start.",
            example: "\"proxy_credentials\""),
        .init(
            "include_usage", \.includeUsage, .flag,
            "Ask for token counts (stream_options.include_usage); off for a gateway that does not know it."),
        .init(
            "connect_timeout", \.connectTimeout, .duration(.milliseconds(100) ... .seconds(120)),
            "TCP, TLS and a WebSocket's upgrade together."),
        .init(
            "first_chunk_timeout", \.firstChunkTimeout, .duration(.milliseconds(100) ... .seconds(3_600)),
            "From the request to the first chunk with output; models that think before they speak need more."),
        .init(
            "idle_timeout", \.idleTimeout, .duration(.milliseconds(100) ... .seconds(3_600)),
            "Between two chunks with output; pings, comments and empty chunks do not count."),
        .init(
            "end_grace", \.endGrace, .duration(.zero ... .seconds(30)),
            "With websocket, after the last finish_reason: how long to wait for usage, [DONE] or close; four times as long "
                + "after one that came beside text, since some gateways send one with every chunk."),
        .init(
            "body_end_timeout", \.bodyEndTimeout, .duration(.milliseconds(100) ... .seconds(300)),
            "With sse, after the last finish_reason: how long to wait for [DONE] or the end of the answer, if no usage comes. "
                + "The job's place is another's by then."),
        .init(
            "ids_change", \.idsChange, .flag,
            "With websocket: the chunks of one answer may have different ids. Then they cannot be told from those of another "
                + "answer, and each answer gets a connection of its own."),
        .init(
            "keep_idle", \.keepIdle, .duration(.zero ... .seconds(3_600)),
            "An idle connection is kept so long for the next job (with websocket: of the same model)."),
        .init(
            "max_age", \.maximumAge, .duration(.seconds(1) ... .seconds(86_400)),
            "A connection takes no new job after this age."),
        .init(
            "max_idle", \.maximumIdle, .integer(0...10_000, of: "connections"),
            "Idle connections kept for each model; with sse for all of them together."),
        .init(
            "min_idle", \.minimumIdle, .integer(0...1_000, of: "connections"),
            "Opened ahead and kept until max_age, on each event loop: with websocket for each model and key, with sse for all "
                + "together."),
        .init(
            "ping_interval", \.pingInterval, .duration(.zero ... .seconds(3_600)),
            "An idle connection (WebSocket, HTTP/2) is asked so often whether it lives; 0s: never."),
        .init(
            "pong_timeout", \.pongTimeout, .duration(.milliseconds(100) ... .seconds(120)),
            "An idle connection that does not answer for so long is closed."),
        .init(
            "max_in_flight", \.maximumInFlight, .integer(0...60_000, of: "requests"),
            "Requests under way at once, of this worker; further jobs wait for their turn. 0 is no limit."),
        .init(
            "cool_down_after", \.coolDownAfter, .integer(0...1_000, of: "failures"),
            "So many in a row, before a first token, and jobs that have fallbacks pass over that model for a while; 0: never."
        ),
        .init(
            "cool_down", \.coolDown, .duration(.milliseconds(100) ... .seconds(3_600)),
            "How long, at first. Then one job tries; it doubles each time that this fails."),
        .init(
            "cool_down_most", \.coolDownMost, .duration(.milliseconds(100) ... .seconds(86_400)),
            "The longest of these times."),
        .init(
            "max_message_bytes", \.maximumMessageBytes, .size(4_096...(64 << 20)),
            "Largest frame, message or event of the gateway; a larger one fails the stream."),
        .init(
            "max_fragments", \.maximumFragments, .integer(1...1_000_000, of: "fragments"),
            "Fragments of one WebSocket message; more of them fail the stream."),
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            "errors", \.errors,
            "What this gateway's refusals say, for each kind: phrases that are looked for in message, type and code (case does "
                + "not matter), before the words that are known of providers (docs/GATEWAYS.md).")
    ]
}

extension WorkerConfiguration.GatewayErrors: ConfigurationTable {
    private static let phrases = ConfigurationValue<[String]>.list(of: .text("phrase", longest: 200))

    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "context_too_long", \.contextTooLong, phrases,
            "The messages are longer than it takes: the job fails, or its fallback is asked."),
        .init("content_filter", \.contentFilter, phrases, "What was asked is filtered: the same."),
        .init(
            "out_of_credit", \.outOfCredit, phrases,
            "The account has no credit or quota left: the same, and the operator is told."),
        .init(
            "model_gone", \.modelGone, phrases,
            "It does not have the model any more: the same, and the operator is told."),
        .init("overloaded", \.overloaded, phrases, "It has too much to do: the job is tried again, as after 503."),
        .init("rate_limited", \.rateLimited, phrases, "It asks for fewer requests: jobs wait, as after 429."),
    ]

    var phrases: ErrorPhrases {
        ErrorPhrases([
            .contextTooLong: contextTooLong, .contentFilter: contentFilter, .outOfCredit: outOfCredit,
            .modelGone: modelGone, .overloaded: overloaded, .rateLimited: rateLimited,
        ])
    }
}

extension WorkerConfiguration.Model: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "gateway", \.gateway, .name(.label),
            "The [gateways.NAME] that has it; with one gateway not needed.",
            example: "\"holysheep\""),
        .init(
            optional: "upstream", \.upstream, .name(.model), "The gateway's name for it, where that is another.",
            example: "\"gpt-4.1-2025-04-14\""),
        .init(
            optional: "input_price", \.inputPrice, .number(0...1_000_000, of: "USD for a million tokens"),
            "Price of the prompt; without prices there is no cost in results.", example: "2.5"),
        .init(
            optional: "output_price", \.outputPrice, .number(0...1_000_000, of: "USD for a million tokens"),
            "Price of the answer.", example: "8"),
        .init(
            optional: "cached_input_price", \.cachedInputPrice, .number(0...1_000_000, of: "USD for a million tokens"),
            "Price of the part of a prompt that the provider finds in its cache; without it that of input_price.",
            example: "0.5"),
        .init(
            optional: "cache_write_price", \.cacheWritePrice, .number(0...1_000_000, of: "USD for a million tokens"),
            "Price of the part of a prompt that the provider writes to its cache; without it that of input_price.",
            example: "3.75"),
        .init(
            "fallbacks", \.fallbacks, .list(of: .name(.model)),
            "Other [models.NAME] that are asked, in this order and each followed by its own, where this one fails before its "
                + "first token."),
        .init(
            "fallback_on", \.fallbackOn, .list(of: .choice()),
            "For which failures: no connection, silence or 5xx; 429; messages too long for it; its content filter; no credit "
                + "left with it (402); it is not there (any more) (404)."),
        .init(
            "max_in_flight", \.maximumInFlight, .integer(0...60_000, of: "requests"),
            "Requests under way at once, of this worker; further jobs wait for their turn. 0 is no limit."),
        .init(
            optional: "first_chunk_timeout", \.firstChunkTimeout, .duration(.milliseconds(100) ... .seconds(3_600)),
            "In place of the gateway's, for a model that thinks long before it speaks.", example: "\"10m\""),
        .init(
            optional: "max_tokens_name", \.limitName, .choice(),
            "What the model calls the limit of an answer, whichever name a job uses: OpenAI's reasoning models take "
                + "max_completion_tokens only.", example: "\"max_completion_tokens\""),
        .init(
            "drop", \.dropped, .list(of: .parameterName),
            "Parameters that the model refuses; they are left out of requests, as temperature and top_p."),
        .init(
            optional: "extra_body", \.extraBody, .requestMembers,
            "Further members of requests, as a table or as JSON in quotes. What the job or its profile says wins; what drop "
                + "names does not count as said.",
            example: "{ reasoning_effort = \"low\" }"),
    ]
}

extension WorkerConfiguration.Profile: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "model", \.model, .name(.model), "For jobs that name none.", example: "\"gpt-4.1\""),
        .init(
            optional: "max_tokens", \.maximumTokens, .integer(1...10_000_000, of: "tokens"), "Longest answer.",
            example: "500"),
        .init(
            optional: "temperature", \.temperature, .number(0...2), "Low is dry and sure, high is inventive.",
            example: "0.3"),
        .init(
            optional: "fallbacks", \.fallbacks, .list(of: .name(.model)), "In place of those of the model.",
            example: "[\"gpt-4.1\"]"),
        .init(
            optional: "extra_body", \.extraBody, .requestMembers,
            "Further members of requests, as a table or as JSON in quotes; what the job says wins.",
            example: "{ reasoning_effort = \"low\" }"),
    ]
}
