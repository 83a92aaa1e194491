import ChatModel
import Testing

@testable import JobRunner

@Suite struct CancelBookTests {
    private static let key = JobKey(customer: "acme", id: "j")

    /// A cancel that was read.
    struct Read: Sendable {
        var time: Int64?
        var offset: Int64 = 5
        var isUsed = false

        var book: CancelBook {
            var book = CancelBook()
            book.note(.init(key: CancelBookTests.key, time: time, offset: offset))
            if isUsed { book.noteUsed(CancelBookTests.key) }
            return book
        }
    }

    @Test(arguments: [
        // Nothing tells the two apart: it holds, once.
        (Read(), CancelBook.Enqueued(isRepeated: false), true),
        (Read(isUsed: true), .init(isRepeated: false), false),
        (Read(isUsed: true), .init(isRepeated: true), true),
        // The clocks of those who sent job and cancel.
        (Read(time: 10), .init(time: 9, isRepeated: false), true),
        (Read(time: 10), .init(time: 21, isRepeated: false), false),
        (Read(time: 10), .init(time: 21, isRepeated: true), false),
        // Clocks differ: nothing tells the two apart.
        (Read(time: 10), .init(time: 12, isRepeated: false), true),
        (Read(time: 10), .init(time: 15, isRepeated: false), true),
        (Read(time: 10), .init(time: 20, isRepeated: false), true),
        (Read(time: 10, isUsed: true), .init(time: 15, isRepeated: false), false),
        (Read(time: 10, isUsed: true), .init(time: 15, isRepeated: true), true),
        (Read(time: .min), .init(time: .max, isRepeated: false), false),
        (Read(time: .max), .init(time: .min, isRepeated: false), true),
        (Read(time: 10), .init(time: 10, isRepeated: false), true),
        (Read(time: 10), .init(isRepeated: false), true),
        (Read(), .init(time: 10, isRepeated: false), true),
        // A replay: only what stands behind it in the stream.
        (Read(offset: 5), .init(controlOffset: 4, isRepeated: true), true),
        (Read(offset: 5), .init(controlOffset: 5, isRepeated: true), false),
        (Read(time: 10, offset: 5), .init(controlOffset: 6, time: 1, isRepeated: true), false),
    ])
    func whomACancelConcerns(cancel: Read, enqueued: CancelBook.Enqueued, concerns: Bool) {
        let book = cancel.book
        #expect(book.concerns(Self.key, enqueued) == concerns)
        #expect(!book.concerns(JobKey(customer: "rival", id: "j"), enqueued))
        #expect(!book.concerns(JobKey(customer: "acme", id: "k"), enqueued))
    }

    @Test func aSecondCancelCountsFromThenOn() {
        var book = Read(time: 10, isUsed: true).book
        book.note(.init(key: Self.key, time: 20, offset: 9))
        #expect(book.concerns(Self.key, .init(time: 15, isRepeated: false)))
        #expect(book.concerns(Self.key, .init(isRepeated: false)))
    }

    /// Read as it is written it is as new as that moment, whatever its sender's clock says; a job that comes later runs.
    @Test func aLiveCancelIsOfNow() {
        var book = CancelBook()
        book.note(.init(key: Self.key, time: 1_000, offset: 5), now: 5_000)
        #expect(book.concerns(Self.key, .init(time: 4_990, isRepeated: false)))
        #expect(book.concerns(Self.key, .init(time: 5_005, isRepeated: false)), "enqueued by a clock that is ahead")
        #expect(!book.concerns(Self.key, .init(time: 5_011, isRepeated: false)))
        book.note(.init(key: Self.key, time: 9_000, offset: 6), now: 5_000)
        #expect(book.concerns(Self.key, .init(time: 8_999, isRepeated: false)), "sent by a clock that is ahead")
    }

    @Test func whatIsIgnoredSaysWhy() {
        let book = Read(time: 100, isUsed: true).book
        #expect(
            book.concern(Self.key, .init(time: 160, isRepeated: false))
                == .ignored("it was sent 60 s before the job was enqueued"))
        #expect(
            book.concern(Self.key, .init(isRepeated: false)) == .ignored("it has ended an earlier job of that id"))
        #expect(
            book.concern(Self.key, .init(controlOffset: 9, isRepeated: false))
                == .ignored("the job was replayed after it was cancelled"))
        #expect(book.concern(JobKey(customer: "acme", id: "k"), .init(isRepeated: false)) == .none)
    }

    @Test func theOldestAreForgotten() {
        var book = CancelBook(capacity: 3)
        for round in 0..<10 {
            for id in ["a", "b", "c"] { book.note(.init(key: JobKey(customer: "x", id: id), offset: Int64(round))) }
        }
        #expect(book.count == 3)
        book.note(.init(key: JobKey(customer: "x", id: "d"), offset: 99))
        #expect(book.count == 3)
        #expect(!book.concerns(JobKey(customer: "x", id: "a"), .init(isRepeated: false)))
        #expect(book.concerns(JobKey(customer: "x", id: "d"), .init(isRepeated: false)))
    }
}

@Suite struct FinishedBookTests {
    private static let key = JobKey(customer: "acme", id: "j")
    private static let second: UInt64 = 1_000_000_000

    private static func delivery(_ republishes: Int = 0, _ count: Int = 0, body: UInt64 = 1) -> FinishedDelivery {
        FinishedDelivery(republishes: republishes, deliveryCount: count, bodyHash: body)
    }

    @Test(arguments: [
        (delivery(0, 1), true), (delivery(0, 7), true), (delivery(0, 0), false), (delivery(1, 1), false),
        (delivery(0, 1, body: 2), false),
    ])
    func onlyARepetitionIsCovered(delivery: FinishedDelivery, isCovered: Bool) {
        var book = FinishedBook()
        book.note(Self.key, Self.delivery(), now: 0)
        let isRepetition = book.covers(Self.key, delivery, now: Self.second)
        #expect(isRepetition == isCovered)
    }

    /// The ack was lost when the job was moved: what was left behind comes by after its copy has ended.
    @Test(arguments: [
        (delivery(0, 1), true), (delivery(1, 3), true), (delivery(0, 0), false), (delivery(1, 0), false),
        (delivery(3, 1), false), (delivery(0, 1, body: 2), false),
    ])
    func whatAMoveLeftBehindIsCovered(delivery: FinishedDelivery, isCovered: Bool) {
        var book = FinishedBook()
        book.note(Self.key, Self.delivery(2), now: 0)
        let isLeftover = book.covers(Self.key, delivery, now: Self.second)
        #expect(isLeftover == isCovered)
    }

    /// A claim under an attempt of an earlier life says that what a move left behind was given out: all of that life, and
    /// nothing of the copy's own.
    @Test(arguments: [(1, 1_001, true), (1, 2, true), (1, 1_000_001, false), (1, 1_001_001, false), (0, 1_001, false)])
    func aClaimOfAnEarlierLifeIsALeftover(republishes: Int, attempt: Int64, isLeft: Bool) throws {
        let copy = Self.delivery(republishes, 3)
        let left = copy.leftBehind(claimedAs: attempt)
        #expect((left != nil) == isLeft)
        guard let left else { return }
        #expect(left.isFollowed(by: Self.delivery(republishes - 1, 1)))
        #expect(!left.isFollowed(by: Self.delivery(republishes, 4)), "its own next delivery must run")
    }

    /// Enqueued again under the same id, a job is another one, and so are its own repetitions.
    @Test func aJobThatIsEnqueuedAgainRuns() {
        var book = FinishedBook()
        book.note(Self.key, Self.delivery(), now: 0)
        let first = book.covers(Self.key, Self.delivery(), now: Self.second)
        #expect(!first)
        let itsRepetition = book.covers(Self.key, Self.delivery(0, 1), now: Self.second)
        #expect(!itsRepetition)
    }

    @Test func itForgetsWithTimeAndOverItsCapacity() {
        var book = FinishedBook(capacity: 2, memory: .seconds(10))
        book.note(Self.key, Self.delivery(), now: 0)
        let inTime = book.covers(Self.key, Self.delivery(0, 1), now: 10 * Self.second)
        #expect(inTime)
        let tooLate = book.covers(Self.key, Self.delivery(0, 1), now: 11 * Self.second)
        #expect(!tooLate)
        for id in ["a", "b", "c"] { book.note(JobKey(customer: "x", id: id), Self.delivery(), now: 20 * Self.second) }
        #expect(book.count == 2)
        #expect(book.noted(since: 20 * Self.second).count == 2 && book.noted(since: 21 * Self.second).isEmpty)
    }
}
