package import AMQP
package import ChatModel
package import Webhooks

/// An event `endpoint.STATE`: an endpoint is turned off or on, or a worker's breaker has opened or closed. What workers
/// and commands know of endpoints is read back from these.
package struct EndpointEvent: Sendable, Equatable {
    package enum State: String, Sendable, CaseIterable {
        /// Nothing is posted to it any more, by any worker.
        case disabled
        case enabled
        /// One worker does not ask it at present.
        case open
        case closed
    }

    package enum Reason: String, Sendable {
        /// It answered 410.
        case gone
        /// A person has said so.
        case `operator`
    }

    package var endpoint: EndpointID
    package var state: State
    /// When it changed; of two the later one counts, whichever stands first.
    package var time: Timestamp
    package var reason: Reason?
    /// Whose breaker.
    package var worker: String?

    package init(
        endpoint: EndpointID, state: State, time: Timestamp, reason: Reason? = nil, worker: String? = nil
    ) {
        self.endpoint = endpoint
        self.state = state
        self.time = time
        self.reason = reason
        self.worker = worker
    }

    package var routingKey: String { "endpoint.\(state.rawValue)" }

    package var body: [UInt8] {
        var members: [JSONValue.Member] = [
            .init("type", .string(routingKey)), .init("endpoint", .string(endpoint.text)),
            .init("state", .string(state.rawValue)), .init("time", .string(time.rfc3339)),
        ]
        if let reason { members.append(.init("reason", .string(reason.rawValue))) }
        if let worker { members.append(.init("worker", .string(worker))) }
        return JSONValue.object(members).serialized()
    }

    /// Milliseconds by which the clock of who speaks may be ahead.
    private static let clockSkew: Int64 = 86_400_000

    /// `nil` for any other event, and for one that cannot be read, or is of a time to come: it would hold against every
    /// later word about that endpoint.
    package init?(routingKey: String, body: [UInt8], now: Timestamp = WallClock.now()) {
        guard routingKey.hasPrefix("endpoint."), let state = State(rawValue: String(routingKey.dropFirst(9))),
            let value = try? JSONValue(parsing: body), let endpoint = value["endpoint"]?.stringValue,
            let time = value["time"]?.stringValue.flatMap(Timestamp.init(rfc3339:)),
            time.milliseconds <= now.milliseconds + Self.clockSkew
        else { return nil }
        self.init(
            endpoint: EndpointID(text: endpoint), state: state, time: time,
            reason: value["reason"]?.stringValue.flatMap(Reason.init), worker: value["worker"]?.stringValue)
    }

    package func properties(user: String) -> MessageProperties {
        MessageProperties(
            contentType: "application/json", isPersistent: true,
            messageID: "\(routingKey)/\(String(UInt64.random(in: .min ... .max), radix: 16))", type: "endpoint",
            userID: user)
    }
}
