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
        #expect(EndpointEvent(routingKey: event.routingKey, body: event.body, now: event.time) == event)
        let early = Timestamp(milliseconds: event.time.milliseconds - 86_400_001)
        #expect(EndpointEvent(routingKey: event.routingKey, body: event.body, now: early) == nil, "of a time to come")
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
        let id = EndpointID(.url("https://hooks.example.com/token?x=1"), customer: "acme")
        #expect(id.text.hasPrefix("https://hooks.example.com#") && !id.text.contains("token"))
        #expect(id == EndpointID(.url("https://hooks.example.com:443/token?x=1"), customer: "acme"))
    }

    /// One customer's 410 must not turn off what another names by the same URL, nor one query's another's.
    @Test(arguments: [
        ("https://hooks.example.com/token?x=2", "acme"), ("https://hooks.example.com/other?x=1", "acme"),
        ("https://hooks.example.com/token?x=1", "other"),
    ])
    func anEndpointOfJobsIsItsCustomersAlone(url: String, customer: String) {
        let id = EndpointID(.url("https://hooks.example.com/token?x=1"), customer: "acme")
        let other = EndpointID(.url(url), customer: customer)
        #expect(id != other)
        var ledger = EndpointLedger()
        ledger.note(EndpointEvent(endpoint: id, state: .disabled, time: Timestamp(milliseconds: 1), reason: .gone))
        #expect(ledger.isDisabled(id) && !ledger.isDisabled(other))
    }

    /// Customers can turn endless URLs off by answering 410.
    @Test func theLedgerIsBounded() {
        var ledger = EndpointLedger(most: 100)
        ledger.note(Self.event(.disabled, at: 1))
        for index in 2..<10_000 as Range<Int64> {
            ledger.note(
                EndpointEvent(
                    endpoint: EndpointID(text: "https://h#\(index)"), state: index % 2 == 0 ? .disabled : .open,
                    time: Timestamp(milliseconds: index), worker: "w"))
        }
        #expect(ledger.entries.count <= 126)
        #expect(ledger.isDisabled(Self.orders), "one of the configuration is remembered")
        #expect(ledger.isDisabled(EndpointID(text: "https://h#9998")))
        #expect(!ledger.isDisabled(EndpointID(text: "https://h#2")))
    }

    @Test func whatNobodyRepeatsIsForgotten() {
        let day: Int64 = 86_400_000
        var ledger = EndpointLedger()
        ledger.note(Self.event(.open, at: 0, worker: "gone"))
        ledger.note(Self.event(.open, at: 2 * day, worker: "alive"))
        ledger.note(Self.event(.disabled, at: 0))
        ledger.prune(now: Timestamp(milliseconds: 3 * day))
        #expect(ledger.entries[Self.orders]?.open.keys.sorted() == ["alive"])
        #expect(ledger.isDisabled(Self.orders), "that does not grow old")
        ledger.note(Self.event(.enabled, at: 1))
        ledger.note(Self.event(.closed, at: 3 * day, worker: "alive"))
        ledger.prune(now: Timestamp(milliseconds: 3 * day))
        #expect(ledger.entries.isEmpty)
    }

    @Test func aNamedEndpointIsOneForAll() {
        #expect(EndpointID(.endpoint("a"), customer: "x") == EndpointID(.endpoint("a"), customer: "y"))
    }
}
