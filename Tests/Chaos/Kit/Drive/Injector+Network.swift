internal import TestSupport

/// Faults of the connections between worker and broker.
extension Injector {
    func harmConnections(_ fault: Fault) async throws {
        switch fault {
        case .consumeCut: try await cut("consumer")
        case .publishCut: try await cut("publisher")
        case .consumeHalfOpen: try await halfOpen(.role("consumer"), waitsFor: "consumer")
        case .publishHalfOpen: try await halfOpen(.role("publisher"), waitsFor: "publisher")
        case .bothHalfOpen: try await halfOpen(.all, waitsFor: "consumer")
        default:
            let milliseconds = Int64.random(in: 50...300, using: &random)
            notes.append("\(milliseconds) ms")
            try await stage.brokerProxy.delay(milliseconds)
            try await hold(2...4)
            try await stage.brokerProxy.delay(0)
        }
    }

    private func cut(_ role: String) async throws {
        excuse(.connectionLost)
        let count = Int.random(in: 1...2, using: &random)
        for _ in 0..<count {
            let start = stage.brokerProxy.log.events.count
            try await stage.brokerProxy.cut(.role(role))
            try await untilBack(role, from: start)
            try await hold(0.1...1)
        }
        notes.append("\(count) times")
    }

    /// The worker has to find out by itself, with its heartbeats, and come back on another connection.
    private func halfOpen(_ selection: TCPProxy.Selection, waitsFor role: String) async throws {
        let directions: [[TCPProxy.Direction]] = [[.up], [.down], [.up, .down]]
        guard let lost = directions.randomElement(using: &random) else { return }
        notes.append(lost.count == 2 ? "both ways" : lost == [.up] ? "to the broker" : "from the broker")
        excuse(.connectionLost)
        let start = stage.brokerProxy.log.events.count
        try await stage.brokerProxy.swallow(lost, of: selection)
        try await untilBack(role, from: start)
    }

    private func untilBack(_ role: String, from start: Int) async throws {
        do {
            _ = try await stage.brokerProxy.log.first("a new \(role) connection", from: start, timeout: .seconds(30)) {
                event in
                if case .named(let name) = event, TCPProxy.Selection.role(role).contains(name) { true } else { nil }
            }
        } catch {
            violate(.notRecovered, "no new \(role) connection within 30 s")
            try await stage.brokerProxy.cut()
        }
    }
}
