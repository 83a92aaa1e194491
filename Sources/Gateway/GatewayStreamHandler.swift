public import ChatModel
public import NIOCore

/// One job's question to a gateway.
public struct GatewayRequest: Sendable {
    /// Over a WebSocket it goes into the query of the upgrade (`?model=`), percent-encoded.
    public var model: String
    /// A chat completion request, UTF-8 JSON: one text message, or the body of a POST.
    public var body: ByteBuffer
    /// `n` of the request: the stream is finished when so many choices are.
    public var choiceCount: Int
    /// The request asks for usage: the end is worth a short wait for it.
    public var asksForUsage = true
    /// W3C trace context; over a WebSocket only the upgrade of a fresh connection carries it.
    public var trace: TraceContext?
    /// What the body is made to look like before it is sent.
    public var shape = RequestShape()
    /// In place of `GatewayConfiguration.firstChunkTimeout`.
    public var firstChunkTimeout: Duration?

    public init(model: String, body: ByteBuffer, choiceCount: Int = 1, trace: TraceContext? = nil) {
        self.model = model
        self.body = body
        self.choiceCount = choiceCount
        self.trace = trace
    }
}

/// Who receives a stream. Every call comes on the stream's event loop; after `streamEnded` there is none.
public protocol GatewayStreamHandler: AnyObject {
    /// The request was written, on a fresh connection or on a reused one.
    func streamStarted(onReusedConnection reused: Bool)
    /// A complete, valid chunk of this stream (UTF-8 and JSON are checked). The bytes are valid during the call only.
    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer)
    /// A chunk like the one before but for its one piece of text, which is output. Called for nearly every token.
    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer)
    /// All choices have finished: nothing but the end is awaited, which may take a while yet. At most once, and more output
    /// may follow all the same.
    func streamFinished()
    func streamEnded(_ end: GatewayStreamEnd)
}

extension GatewayStreamHandler {
    public func streamFinished() {}
}

/// How a stream ended.
public enum GatewayStreamEnd: Sendable, Equatable {
    /// Every choice finished, then usage, `[DONE]`, the end of the body, a close or a silent grace.
    case complete
    case failed(GatewayFailure)
    /// `GatewayStream.cancel()` was called.
    case cancelled
}

/// Why a stream failed. Never holds a key, a prompt or an answer.
public struct GatewayFailure: Error, Sendable, Equatable {
    /// How far the stream had come.
    public enum Stage: String, Sendable { case connect, upgrade, request, firstChunk = "first_chunk", streaming }

    public var stage: Stage
    /// A stable, machine-readable word such as `gateway_unreachable`, `gateway_unauthorized`, `gateway_closed_going_away`.
    public var code: String
    /// One sentence for a person.
    public var message: String
    /// HTTP status of a refused upgrade or request, or of an error message.
    public var status: Int?
    /// Close code of the WebSocket, where the gateway closed it.
    public var closeCode: Int?
    /// What the gateway asked for, in headers or in its message.
    public var retryAfter: Duration?
    /// What the gateway's own `type` and `code` said, cut to 128 characters each.
    public var upstreamType: String?
    public var upstreamCode: String?
    public var upstreamParam: String?
    /// A fault that another try may not meet: unreachable, 408, 409, 429, 5xx, a close whose code does not speak
    /// against it.
    public var isRetryable: Bool
    /// A 429 that only one job meets, while others are answered. Whoever opened the stream finds that out.
    package var concernsJobAlone = false
    /// The gateway's own words, until they were compared with the operator's phrases (`judged`).
    var text: RefusedText?
    /// What the request must look like to be answered, where the gateway has said so.
    var refusedParameters: ParameterRefusal?

    public init(
        stage: Stage, code: String, message: String, status: Int? = nil, closeCode: Int? = nil,
        retryAfter: Duration? = nil, upstreamType: String? = nil, upstreamCode: String? = nil,
        upstreamParam: String? = nil, isRetryable: Bool
    ) {
        self.stage = stage
        self.code = code
        self.message = message
        self.status = status
        self.closeCode = closeCode
        self.retryAfter = retryAfter
        self.upstreamType = upstreamType
        self.upstreamCode = upstreamCode
        self.upstreamParam = upstreamParam
        self.isRetryable = isRetryable
    }
}
