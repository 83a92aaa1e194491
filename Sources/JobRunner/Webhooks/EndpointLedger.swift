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

        fileprivate var lastTime: Int64 {
            max(toggle?.time.milliseconds ?? 0, open.values.map(\.milliseconds).max() ?? 0)
        }
    }

    package private(set) var entries: [EndpointID: Entry] = [:]
    private let most: Int
    /// How long a word counts that nobody repeats: that an endpoint was turned on again, or that a breaker is open in a worker
    /// that may be gone.
    private static let memory: Int64 = 2 * 86_400_000

    /// - Parameter most: endpoints of URLs that are remembered. Beyond that the oldest are forgotten: one that is off is asked
    ///   once more, and says so again. Those of the configuration are all remembered.
    package init(most: Int = 10_000) { self.most = most }

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
        if entries.count > most + most / 4 { prune(now: event.time) }
    }

    /// Forgets what is old, then, of endpoints of URLs that are too many, the oldest.
    package mutating func prune(now: Timestamp) {
        let (limit, overflow) = now.milliseconds.subtractingReportingOverflow(Self.memory)
        guard !overflow else { return }
        for (endpoint, entry) in entries {
            var entry = entry
            entry.open = entry.open.filter { $0.value.milliseconds >= limit }
            if let toggle = entry.toggle, toggle.state == .enabled, toggle.time.milliseconds < limit {
                entry.toggle = nil
            }
            entries[endpoint] = entry == Entry() ? nil : entry
        }
        guard entries.count > most else { return }
        let ofURLs = entries.filter(\.key.isURL).sorted { $0.value.lastTime < $1.value.lastTime }
        for (endpoint, _) in ofURLs.prefix(entries.count - most) { entries[endpoint] = nil }
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
