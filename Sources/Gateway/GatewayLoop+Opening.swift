import NIOCore

/// Which connections are being set up, and who waits for a turn: a rush of jobs would else set all of theirs up at once, and
/// where handshakes ask for more than the processors have, none would be ready in time. In the order of arrival, the first
/// ones stream while the last ones wait, and what a handshake needs of memory is needed a few times, not thousands of times.
struct OpeningQueue {
    private var underWay: Set<ObjectIdentifier> = []
    private var waiting = CircularBuffer<GatewayStream>()
    /// When the last one came about.
    private var lastOpened: NIODeadline?

    var hasWaiters: Bool { !waiting.isEmpty }

    func hasRoom(_ limit: Int) -> Bool { underWay.count < limit }

    mutating func began(_ connection: some GatewayConnection) { underWay.insert(ObjectIdentifier(connection)) }

    /// `true` for the first time.
    mutating func ended(_ connection: some GatewayConnection, cameAbout: Bool, now: NIODeadline) -> Bool {
        guard underWay.remove(ObjectIdentifier(connection)) != nil else { return false }
        if cameAbout { lastOpened = now }
        return true
    }

    mutating func wait(_ stream: GatewayStream) { waiting.append(stream) }

    /// The one that has waited longest, of those that still do.
    mutating func next() -> GatewayStream? {
        while let stream = waiting.popFirst() {
            if stream.isQueued { return stream }
        }
        return nil
    }

    /// Whether a connection has come about within this time.
    func isMoving(within time: TimeAmount, now: NIODeadline) -> Bool {
        lastOpened.map { now - $0 < time } ?? false
    }
}

extension GatewayLoop {
    /// Connections set up at once while the gateway may speak HTTP/2, which one handshake tells.
    static let sharedOpenings = 4

    private var openingLimit: Int {
        mayShareConnections ? min(Self.sharedOpenings, configuration.maximumOpening) : configuration.maximumOpening
    }

    /// Opens a connection for the stream, now or when its turn comes (`GatewayStream.turnCame`).
    ///
    /// - Returns: `nil`: it waits.
    func open(for stream: GatewayStream, model: String, now: NIODeadline) -> (any GatewayConnection)? {
        guard openings.hasRoom(openingLimit), !openings.hasWaiters else {
            openings.wait(stream)
            return nil
        }
        return makeConnection(for: stream, model: model, key: stream.key, now: now)
    }

    /// A connection came about, or did not. Once for each; later calls mean nothing.
    func openingEnded(_ connection: some GatewayConnection, cameAbout: Bool) {
        guard openings.ended(connection, cameAbout: cameAbout, now: .now()), openings.hasWaiters else { return }
        // Not in the middle of what this one is about.
        eventLoop.assumeIsolated().execute { self.giveTurns() }
    }

    /// Whether those that wait for a turn may go on waiting: connections come about.
    func isOpening(now: NIODeadline) -> Bool { openings.isMoving(within: patience.connect, now: now) }

    /// Those that wait for a turn end with the loop.
    func endWaiters() {
        while let stream = openings.next() { stream.shutDown() }
    }

    private func giveTurns() {
        let now = NIODeadline.now()
        while openings.hasRoom(openingLimit), let stream = openings.next() { stream.turnCame(now: now) }
    }
}
