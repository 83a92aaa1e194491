import Gateway

/// How one case of `docs/GATEWAYS.md` is played, and what the table has no column for.
struct HostileScript: Sendable {
    /// What the server shows to a client that wants TLS.
    enum TLS: Sendable {
        case certificate(String)
        /// With the name of the CA that the client trusts.
        case untrusted(String)
        case old
        /// Nothing: it speaks as it likes.
        case none
    }

    /// - Parameter seen: fired when the client has handed out its first chunk.
    typealias Play = @Sendable (_ peer: TestPeer, _ seen: Signal) async throws -> Void

    /// `nil`: what the transport has in every test.
    var tls: TLS?
    /// Of the client.
    var change: @Sendable (inout GatewayConfiguration) -> Void = { _ in }
    var retryAfter: Duration?
    /// What the client has handed out at the end; `nil`: `a` where the answer had begun, else nothing.
    var text: String?
    var play: Play

    init(
        tls: TLS? = nil, retryAfter: Duration? = nil, text: String? = nil,
        change: @escaping @Sendable (inout GatewayConfiguration) -> Void = { _ in }, play: @escaping Play
    ) {
        self.tls = tls
        self.change = change
        self.retryAfter = retryAfter
        self.text = text
        self.play = play
    }

    /// By the name in the table.
    static let all: [String: HostileScript] = [tls, setUp, statuses, errors, answers, frames, ends]
        .reduce(into: [:]) { all, some in all.merge(some) { _, _ in fatalError("the same case twice") } }

    /// A case that is played after the request has come, with a first chunk sent.
    static func begun(
        text: String? = nil, change: @escaping @Sendable (inout GatewayConfiguration) -> Void = { _ in },
        _ play: @escaping Play
    ) -> HostileScript {
        asked(text: text, change: change) { peer, seen in
            try await peer.send(AnswerText.chunk("a"))
            try await play(peer, seen)
        }
    }

    /// A case that is played after the request has come.
    static func asked(
        text: String? = nil, change: @escaping @Sendable (inout GatewayConfiguration) -> Void = { _ in },
        _ play: @escaping Play
    ) -> HostileScript {
        HostileScript(text: text, change: change) { peer, seen in
            try await peer.open()
            _ = try await peer.readRequest()
            try await play(peer, seen)
        }
    }

    static func briefly(_ configuration: inout GatewayConfiguration) {
        configuration.connectTimeout = .milliseconds(400)
        configuration.firstChunkTimeout = .milliseconds(400)
        configuration.idleTimeout = .milliseconds(400)
    }
}

extension TestPeer {
    /// Byte by byte, until the client has had enough. Over HTTP/2 the head of an answer goes whole.
    func drip(_ bytes: [UInt8], every pause: Duration? = nil) async throws {
        var rest = bytes[...]
        if transport == .http2, let end = bytes.firstRange(of: [13, 10, 13, 10]), bytes.starts(with: Array("HTTP".utf8))
        {
            try await send(Array(rest[..<end.upperBound]))
            rest = rest[end.upperBound...]
        }
        for byte in rest {
            try await send([byte])
            if let pause { try await Task.sleep(for: pause) }
        }
    }

    /// The head of the next request, or of the upgrade.
    func readAnyRequest() async throws {
        if transport == .websocket { _ = try await readHead() } else { _ = try await readRequest() }
    }

    /// An answer in plain HTTP.
    func answer(_ status: String, headers: [String] = [], body: String = "") async throws {
        let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers
        try await send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8))
        try await endAnswer()
    }
}
