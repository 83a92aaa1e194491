/// A model gateway: where it is and how patient to be with it. Durations are measured on the monotonic clock.
public struct GatewayConfiguration: Sendable {
    /// Where connections go. `path` and `query` are as in the URL, without the `model` item.
    public struct Endpoint: Sendable, Equatable {
        public var isSecure: Bool
        public var host: String
        public var port: Int
        /// Starts with `/`.
        public var path: String

        public init(isSecure: Bool, host: String, port: Int, path: String) {
            self.isSecure = isSecure
            self.host = host
            self.port = port
            self.path = path
        }
    }

    /// How requests and answers travel.
    public enum Transport: String, Sendable, CaseIterable {
        /// The guide's protocol: one request and its chunks as messages on a WebSocket.
        case websocket
        /// OpenAI's: a POST for each request, answered with server-sent events, over HTTP/1.1 or HTTP/2.
        case sse
    }

    /// An HTTP proxy that is asked for a tunnel (CONNECT).
    public struct Proxy: Sendable, Equatable {
        public var host: String
        public var port: Int
        /// The value of `Proxy-Authorization`. Secret.
        public var authorization: String?

        public init(host: String, port: Int, authorization: String? = nil) {
            self.host = host
            self.port = port
            self.authorization = authorization
        }
    }

    /// The name in `[gateways.NAME]`; used in logs and errors.
    public var name: String
    public var transport: Transport
    public var endpoint: Endpoint
    /// They take turns. None: no key is sent.
    public var keys: [GatewayKey]
    /// The header that a key is sent in: with `Authorization` behind the word `Bearer`, with any other as it is.
    public var keyHeader = "Authorization"
    /// PEM file with the trusted CAs; `nil` is the system's store.
    public var certificateAuthorityFile: String?
    /// What this worker shows a gateway that asks for it; with TLS only.
    public var clientCertificate: GatewayClientCertificate?
    /// Every connection goes through it.
    public var proxy: Proxy?
    /// TCP connect, TLS and, for a WebSocket, the upgrade together.
    public var connectTimeout: Duration
    /// From the request's last byte to the first chunk with output.
    public var firstChunkTimeout: Duration
    /// Between two chunks with output; pings, comments and empty chunks do not count.
    public var idleTimeout: Duration
    /// Over a WebSocket, after every choice has finished: how long to wait for the usage chunk, `[DONE]` or close. Four
    /// times as long if the finish reason came beside text.
    public var endGrace: Duration
    /// Over HTTP, after every choice has finished: how long to wait for `[DONE]` or the end of the body.
    public var bodyEndTimeout = Duration.seconds(10)
    /// Over a WebSocket: chunks of one answer may have different ids. Each answer has a connection of its own then.
    public var idsChange = false
    /// An idle connection is closed after this time without a job.
    public var keepIdle: Duration
    /// A connection takes no new job after this age.
    public var maximumAge: Duration
    /// Idle connections kept for each model (all models together with `sse`), over all event loops.
    public var maximumIdle: Int
    /// Idle connections opened ahead and kept until they are old, for each of `warmModels` and each key (together with
    /// `sse`), on each event loop.
    public var minimumIdle = 0
    public var warmModels: [String] = []
    /// Connections that are set up at once, on each event loop; more wait for a turn. While the gateway may speak HTTP/2,
    /// where one serves many streams, 4 at most.
    public var maximumOpening = 256
    /// An idle WebSocket or HTTP/2 connection is pinged so often; zero: never.
    public var pingInterval = Duration.seconds(15)
    /// Without an answer to a ping for so long it is closed.
    public var pongTimeout = Duration.seconds(5)
    /// Largest frame, message (all fragments) or event in bytes; over it the stream fails.
    public var maximumMessageSize: Int
    /// Largest number of fragments of one WebSocket message.
    public var maximumFragments: Int
    /// What its refusals say, beside what is known of providers.
    public var errorPhrases = ErrorPhrases()

    public init(
        name: String, transport: Transport = .websocket, endpoint: Endpoint, apiKey: String,
        certificateAuthorityFile: String? = nil,
        connectTimeout: Duration = .seconds(10), firstChunkTimeout: Duration = .seconds(60),
        idleTimeout: Duration = .seconds(60), endGrace: Duration = .milliseconds(500),
        keepIdle: Duration = .seconds(30), maximumAge: Duration = .seconds(600), maximumIdle: Int = 64,
        maximumMessageSize: Int = 1 << 20, maximumFragments: Int = 1024
    ) {
        self.name = name
        self.transport = transport
        self.endpoint = endpoint
        keys = [GatewayKey(source: "", secret: apiKey)]
        self.certificateAuthorityFile = certificateAuthorityFile
        self.connectTimeout = connectTimeout
        self.firstChunkTimeout = firstChunkTimeout
        self.idleTimeout = idleTimeout
        self.endGrace = endGrace
        self.keepIdle = keepIdle
        self.maximumAge = maximumAge
        self.maximumIdle = maximumIdle
        self.maximumMessageSize = maximumMessageSize
        self.maximumFragments = maximumFragments
    }

    /// What says who asks; `nil` where there is no key.
    public func header(of key: GatewayKey) -> (name: String, value: String)? {
        if key.secret.isEmpty { return nil }
        let isBearer = keyHeader.lowercased() == "authorization"
        return (keyHeader, isBearer ? "Bearer \(key.secret)" : key.secret)
    }

    /// The first key, where there is only one to speak of.
    public var apiKey: String {
        get { keys.first?.secret ?? "" }
        set { keys = [GatewayKey(source: keys.first?.source ?? "", secret: newValue)] }
    }
}
