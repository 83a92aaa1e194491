import Testing

@testable import AMQP

@Suite struct ConfirmWindowTests {
    @Test func multipleTellsOnlyThoseThatAsked() {
        var window = ConfirmWindow(size: 8)
        for token in UInt64(10)..<16 { window.published(token: token, notify: token.isMultiple(of: 2)) }
        #expect(window.capacity == 2)
        var told: [UInt64] = []
        #expect(window.acknowledged(4, multiple: true, into: &told))
        #expect(told == [10, 12])
        #expect(window.outstanding == 2)
    }

    @Test func multipleWithNobodyToTell() {
        var window = ConfirmWindow(size: 4)
        var told: [UInt64] = []
        var sequence: UInt64 = 0
        for _ in 0..<100 {
            for _ in 0..<4 { window.published(token: 1, notify: false) }
            #expect(window.capacity == 0)
            sequence += 4
            #expect(window.acknowledged(sequence, multiple: true, into: &told))
            #expect(window.capacity == 4)
        }
        #expect(told.isEmpty)
    }

    @Test func refusalTellsEveryone() {
        var window = ConfirmWindow(size: 4)
        window.published(token: 1, notify: false)
        window.published(token: 2, notify: true)
        var told: [UInt64] = []
        #expect(window.refused(2, multiple: true, into: &told))
        #expect(told == [1, 2])
    }

    @Test func zeroWithMultipleMeansAll() {
        var window = ConfirmWindow(size: 4)
        window.published(token: 1, notify: true)
        window.published(token: 2, notify: true)
        var told: [UInt64] = []
        #expect(window.acknowledged(0, multiple: true, into: &told))
        #expect(told == [1, 2])
    }

    @Test(arguments: [(UInt64(0), false), (3, false), (3, true), (.max, false), (.max, true)])
    func whatWasNeverPublishedIsAnError(_ tag: UInt64, _ multiple: Bool) {
        var window = ConfirmWindow(size: 4)
        window.published(token: 1, notify: true)
        window.published(token: 2, notify: true)
        var told: [UInt64] = []
        #expect(!window.acknowledged(tag, multiple: multiple, into: &told))
        #expect(told.isEmpty)
        #expect(window.outstanding == 2)
    }

    @Test func confirmedTwiceIsIgnored() {
        var window = ConfirmWindow(size: 4)
        window.published(token: 1, notify: true)
        window.published(token: 2, notify: true)
        var told: [UInt64] = []
        #expect(window.acknowledged(1, multiple: false, into: &told))
        #expect(window.acknowledged(1, multiple: false, into: &told))
        #expect(told == [1])
        #expect(window.outstanding == 1)
    }

    /// One message that is never confirmed must not shut the window for all others.
    @Test func aStragglerDoesNotStopTheRest() throws {
        var window = ConfirmWindow(size: 4)
        window.published(token: 77, notify: true)
        var told: [UInt64] = []
        for sequence in UInt64(2)...10_000 {
            window.published(token: sequence, notify: false)
            try #require(window.acknowledged(sequence, multiple: false, into: &told))
            try #require(window.capacity == 3)
        }
        #expect(told.isEmpty)
        var copy = window
        #expect(copy.drain() == [77])
        #expect(window.acknowledged(1, multiple: false, into: &told))
        #expect(told == [77])
        #expect(window.capacity == 4)
    }

    @Test func allThatIsOutstandingIsNamedOldestFirst() {
        var window = ConfirmWindow(size: 4)
        for token: UInt64 in 1...4 { window.published(token: token, notify: token.isMultiple(of: 2)) }
        var told: [UInt64] = []
        #expect(window.acknowledged(2, multiple: false, into: &told))
        #expect(window.outstandingTokens == [1, 3, 4])
        // The oldest is never confirmed, and moves aside when the ring is full.
        for token: UInt64 in 5...40 {
            #expect(window.acknowledged(token - 2, multiple: false, into: &told) || token < 7)
            window.published(token: token, notify: false)
        }
        #expect(window.outstandingTokens.first == 1 && window.outstandingTokens.count == window.outstanding)
        _ = window.drain()
        #expect(window.outstandingTokens.isEmpty)
    }

    @Test func drainIsOldestFirstAndStartsAnew() {
        var window = ConfirmWindow(size: 4)
        var told: [UInt64] = []
        for token in UInt64(1)...4 { window.published(token: token, notify: token != 2) }
        #expect(window.acknowledged(3, multiple: false, into: &told))
        #expect(window.drain() == [1, 4])
        #expect(window.capacity == 4)
        window.published(token: 9, notify: true)
        told = []
        #expect(window.acknowledged(1, multiple: false, into: &told))
        #expect(told == [9])
    }

    @Test func returnsAreMatchedBeforeTheirConfirm() {
        var window = ConfirmWindow(size: 8)
        window.published(token: 1, notify: true, fingerprint: 100)
        window.published(token: 2, notify: true, fingerprint: 200)
        window.published(token: 3, notify: true, fingerprint: 200)
        #expect(window.returned(fingerprint: 200) == 2)
        #expect(window.returned(fingerprint: 200) == 3)
        #expect(window.returned(fingerprint: 200) == nil)
        #expect(window.returned(fingerprint: 999) == nil)
        var told: [UInt64] = []
        #expect(window.acknowledged(3, multiple: true, into: &told))
        #expect(told == [1, 2, 3])
        #expect(window.returned(fingerprint: 100) == nil)
    }

    /// Against a model that keeps a plain sorted list.
    @Test(arguments: 0..<200) func randomized(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let size = Int.random(in: 1...20, using: &random)
        var window = ConfirmWindow(size: size)
        var model: [(sequence: UInt64, token: UInt64, notify: Bool)] = []
        var next: UInt64 = 1
        for _ in 0..<2000 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<60 where model.count < size:
                let entry = (next, UInt64.random(in: 0..<1000, using: &random), Bool.random(using: &random))
                model.append(entry)
                window.published(token: entry.1, notify: entry.2)
                next += 1
            case 60..<99 where !model.isEmpty:
                // Mostly the newest: the oldest stays behind, as with a slow queue.
                let entry = Bool.random(using: &random) ? model[model.count - 1] : model.randomElement(using: &random)
                guard let entry else { continue }
                let multiple = Int.random(in: 0..<5, using: &random) == 0
                let refused = Int.random(in: 0..<5, using: &random) == 0
                let gone = model.filter { multiple ? $0.sequence <= entry.sequence : $0.sequence == entry.sequence }
                model.removeAll { settled in gone.contains { $0.sequence == settled.sequence } }
                var told: [UInt64] = []
                let isKnown =
                    refused
                    ? window.refused(entry.sequence, multiple: multiple, into: &told)
                    : window.acknowledged(entry.sequence, multiple: multiple, into: &told)
                try #require(isKnown)
                try #require(told == gone.filter { refused || $0.notify }.map(\.token))
            case 99 where Int.random(in: 0..<10, using: &random) == 0:
                #expect(window.drain() == model.filter(\.notify).map(\.token))
                model = []
                next = 1
            default: break
            }
            try #require(window.outstanding == model.count)
            try #require(window.capacity == size - model.count)
        }
    }
}
