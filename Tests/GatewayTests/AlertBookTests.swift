import Testing

@testable import Gateway

@Suite struct AlertBookTests {
    @Test func onceForEachCauseAndHour() {
        var book = AlertBook()
        let told = [
            book.met(.outOfCredit, model: "a", now: 0), book.met(.outOfCredit, model: "a", now: 10),
            book.met(.modelGone("a"), model: "a", now: 10), book.met(.modelGone("b"), model: "b", now: 10),
            book.met(.outOfCredit, model: "a", now: 3_599), book.met(.outOfCredit, model: "a", now: 3_600),
        ]
        #expect(told == [true, false, true, true, false, true])
        #expect(book.active.map(\.count) == [4, 1, 1])
        #expect(book.active.map(\.cause.name) == ["out_of_credit", "model_gone", "model_gone"])
    }

    /// An answer ends it; if it comes back within the hour nobody is told again, and it is shown again.
    @Test func anAnswerEndsIt() {
        var book = AlertBook()
        _ = book.met(.outOfCredit, model: "a", now: 0)
        _ = book.met(.modelGone("b"), model: "b", now: 0)
        book.answered("c")
        #expect(book.active.count == 2)
        book.answered("a")
        #expect(book.active.map(\.cause) == [.modelGone("b")])
        let isTold = book.met(.outOfCredit, model: "a", now: 60)
        #expect(!isTold)
        #expect(book.active.first { $0.cause == .outOfCredit }?.since == 60)
    }

    /// Jobs name the models: there may be any number of them.
    @Test func itIsBounded() {
        var book = AlertBook()
        var told = 0
        for number in 0..<1_000 where book.met(.modelGone("m\(number)"), model: "m\(number)", now: 0) { told += 1 }
        #expect(told == AlertBook.most && book.active.count == AlertBook.most)
        let isTold = book.met(.modelGone("x"), model: "x", now: AlertBook.interval)
        #expect(isTold)
    }
}
