import ChatModel
import Hummingbird
import NIOCore
import Synchronization

/// `/events`: the worker's state as server-sent events, one a second, for the page. Each event is made once and sent to all
/// who listen; nobody listens, nothing is made.
final class AdminEvents: Sendable {
    /// So many may listen at once.
    static let most = 16
    private static let interval = Duration.seconds(1)
    /// How often somebody who listens is looked after.
    private static let look = Duration.milliseconds(200)

    private let status: @Sendable () async -> JSONValue
    private let isClosing: Flag
    private let listeners = Atomic<Int>(0)
    private let latest = Mutex<(event: Task<ByteBuffer, Never>, at: ContinuousClock.Instant)?>(nil)

    /// - Parameter isClosing: raised when the server stops: then every stream of events ends.
    init(isClosing: Flag, status: @escaping @Sendable () async -> JSONValue) {
        self.isClosing = isClosing
        self.status = status
    }

    func response() throws -> Response {
        guard listeners.add(1, ordering: .relaxed).newValue <= Self.most else {
            listeners.subtract(1, ordering: .relaxed)
            throw HTTPError(
                .serviceUnavailable, headers: [.retryAfter: "10"],
                message: "\(Self.most) listen already; /status tells the same once")
        }
        let seat = Seat(self)
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: ResponseBody { writer in
                defer { seat.leave() }
                var next = ContinuousClock.now
                while !self.isClosing.isRaised {
                    if ContinuousClock.now >= next {
                        next += Self.interval
                        try await writer.write(await self.event())
                    }
                    try await Task.sleep(for: Self.look)
                }
                try await writer.finish(nil)
            })
    }

    private func event() async -> ByteBuffer {
        let now = ContinuousClock.now
        let task = latest.withLock { latest in
            if let latest, now - latest.at < Self.interval * 0.9 { return latest.event }
            let made = Task { [status] in
                var event = ByteBuffer(string: "data: ")
                event.writeBytes(await status().serialized())
                event.writeString("\n\n")
                return event
            }
            latest = (made, now)
            return made
        }
        return await task.value
    }

    /// Left once, also by a response that is never written.
    private final class Seat: Sendable {
        private let events: AdminEvents
        private let isTaken = Atomic<Bool>(true)

        init(_ events: AdminEvents) { self.events = events }
        deinit { leave() }

        func leave() {
            if isTaken.exchange(false, ordering: .relaxed) { events.listeners.subtract(1, ordering: .relaxed) }
        }
    }
}
