import Testing

@testable import AMQP

@Suite struct StreamAcksTests {
    @Test func oneAckStandsForAQuarterOfTheSmallestPrefetch() {
        var acks = StreamAcks(prefetches: [1_000, 20])
        #expect((1...20).map { acks.delivered($0) } == (1...20).map { $0 % 5 == 0 ? $0 : nil })
    }

    @Test func whatIsLeftIsTakenOnce() {
        var acks = StreamAcks(prefetches: [1_000])
        #expect(acks.takeAll() == nil, "nothing came")
        for tag in 1...3 as ClosedRange<UInt64> { #expect(acks.delivered(tag) == nil) }
        #expect(acks.takeAll() == 3)
        #expect(acks.takeAll() == nil)
        #expect((4...253).compactMap { acks.delivered($0) } == [253], "counted from the last ack")
    }

    /// A new connection counts from 1.
    @Test func aNewConnectionBeginsAnew() {
        var acks = StreamAcks(prefetches: [8])
        for tag in 1...3 as ClosedRange<UInt64> { _ = acks.delivered(tag) }
        acks.restart()
        #expect(acks.takeAll() == nil, "tags of a lost connection would close the channel")
        #expect((1...2).map { acks.delivered($0) } == [nil, 2])
    }

    @Test(arguments: [[], [0], [1], [3]] as [[UInt16]])
    func theSmallestPrefetchesAreAcknowledgedOneByOne(prefetches: [UInt16]) {
        var acks = StreamAcks(prefetches: prefetches)
        #expect((1...3).map { acks.delivered($0) } == [1, 2, 3])
    }
}
