package import ChatModel
package import Webhooks

/// What the events of endpoints say about them. Pure: the same events give the same ledger, in a worker as in a command.
package struct EndpointLedger: Sendable {
    package struct Entry: Sendable, Equatable {
        /// The last event that turned it off or on.
        package var toggle: EndpointEvent?
        /// Workers whose breaker is open, and since when.
        package var open: [String: Timestamp] = [:]

        package init() {}

        package var isDisabled: Bool { toggle?.state == .disabled }
    }

    package private(set) var entries: [EndpointID: Entry] = [:]

    package init() {}

    package mutating func note(_ event: EndpointEvent) {
        var entry = entries[event.endpoint] ?? Entry()
        switch event.state {
        case .disabled, .enabled:
            if let known = entry.toggle, known.time.milliseconds > event.time.milliseconds { return }
            entry.toggle = event
        case .open: entry.open[event.worker ?? ""] = event.time
        case .closed: entry.open[event.worker ?? ""] = nil
        }
        // One that was turned on again is kept: an older word about it must not come after.
        entries[event.endpoint] = entry == Entry() ? nil : entry
    }

    package func isDisabled(_ endpoint: EndpointID) -> Bool { entries[endpoint]?.isDisabled ?? false }

    /// One that does not simply work.
    package struct State: Sendable, Equatable {
        package var endpoint: EndpointID
        package var isDisabled: Bool
        /// Since when the first breaker is open.
        package var openSince: Timestamp?
    }

    package var states: [State] {
        entries.compactMap { endpoint, entry in
            let since = entry.open.values.min { $0.milliseconds < $1.milliseconds }
            guard entry.isDisabled || since != nil else { return nil }
            return State(endpoint: endpoint, isDisabled: entry.isDisabled, openSince: since)
        }
    }

    /// Events to be said again before their stream forgets them.
    package func aging(before time: Timestamp) -> [EndpointEvent] {
        entries.values.compactMap(\.toggle).filter { $0.state == .disabled && $0.time.milliseconds < time.milliseconds }
    }
}
