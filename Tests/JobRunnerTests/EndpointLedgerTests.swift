import ChatModel
import Testing
import Webhooks

@testable import JobRunner

@Suite struct EndpointLedgerTests {
    private static let orders = EndpointID(text: "orders")

    private static func event(
        _ state: EndpointEvent.State, at time: Int64, reason: EndpointEvent.Reason? = nil, worker: String? = nil
    ) -> EndpointEvent {
        EndpointEvent(
            endpoint: orders, state: state, time: Timestamp(milliseconds: time), reason: reason, worker: worker)
    }

    @Test(arguments: EndpointEvent.State.allCases) func anEventIsReadAsItWasWritten(state: EndpointEvent.State) {
        let event = Self.event(state, at: 1_795_000_000_000, reason: .gone, worker: "w")
        #expect(EndpointEvent(routingKey: event.routingKey, body: event.body) == event)
    }

    @Test func otherEventsAreNone() {
        #expect(EndpointEvent(routingKey: "usage.acme", body: Self.event(.open, at: 0).body) == nil)
        #expect(EndpointEvent(routingKey: "endpoint.off", body: Self.event(.open, at: 0).body) == nil)
        #expect(EndpointEvent(routingKey: "endpoint.open", body: []) == nil)
    }

    @Test func theLaterWordCounts() {
        var ledger = EndpointLedger()
        ledger.note(Self.event(.disabled, at: 10, reason: .gone))
        #expect(ledger.isDisabled(Self.orders))
        ledger.note(Self.event(.enabled, at: 20))
        // Said again by a worker before the journal forgot it.
        ledger.note(Self.event(.disabled, at: 10, reason: .gone))
        #expect(!ledger.isDisabled(Self.orders))
        #expect(ledger.aging(before: Timestamp(milliseconds: 100)).isEmpty)
        ledger.note(Self.event(.disabled, at: 30))
        #expect(ledger.isDisabled(Self.orders))
        #expect(ledger.aging(before: Timestamp(milliseconds: 31)).map(\.time.milliseconds) == [30])
        #expect(ledger.aging(before: Timestamp(milliseconds: 30)).isEmpty)
    }

    @Test func breakersAreThoseOfWorkers() {
        var ledger = EndpointLedger()
        ledger.note(Self.event(.open, at: 1, worker: "a"))
        ledger.note(Self.event(.open, at: 2, worker: "b"))
        ledger.note(Self.event(.closed, at: 3, worker: "a"))
        #expect(ledger.entries[Self.orders]?.open.keys.sorted() == ["b"])
        #expect(!ledger.isDisabled(Self.orders))
        ledger.note(Self.event(.closed, at: 4, worker: "b"))
        #expect(ledger.entries.isEmpty)
    }

    @Test func aURLIsShownWithoutItsPath() {
        let id = EndpointID(.url("https://hooks.example.com/token?x=1"))
        #expect(id.text.hasPrefix("https://hooks.example.com#") && !id.text.contains("token"))
        #expect(id == EndpointID(.url("https://hooks.example.com/token?x=2")))
        #expect(id != EndpointID(.url("https://hooks.example.com/other")))
    }
}
