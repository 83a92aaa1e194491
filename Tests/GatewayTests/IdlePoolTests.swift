import NIOCore
import Testing

@testable import Gateway

@Suite struct IdlePoolTests {
    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    /// The pool behind a reference, because an expectation cannot call a mutating method.
    private final class Pool {
        private var pool = IdlePool<Int>(keepIdle: .seconds(30), maximumAge: .seconds(100))
        var nextDeadline: NIODeadline? { pool.nextDeadline }
        var count: Int { pool.count }
        func put(_ number: Int, model: String, openedAt: NIODeadline, now: NIODeadline) -> Bool {
            pool.put(number, model: model, openedAt: openedAt, now: now)
        }
        func take(model: String, now: NIODeadline) -> Int? { pool.take(model: model, now: now) }
        func remove(_ number: Int, model: String) -> Bool { pool.remove(model: model) { $0 == number } }
        func expire(now: NIODeadline) -> [Int] { pool.expire(now: now) }
        func removeAll() -> [Int] { pool.removeAll() }
    }

    @Test func lastInFirstOut() {
        let pool = Pool()
        #expect(pool.put(1, model: "a", openedAt: at(0), now: at(1)))
        #expect(pool.put(2, model: "a", openedAt: at(0), now: at(2)))
        #expect(pool.put(3, model: "b", openedAt: at(0), now: at(2)))
        #expect(pool.take(model: "a", now: at(3)) == 2)
        #expect(pool.take(model: "a", now: at(3)) == 1)
        #expect(pool.take(model: "a", now: at(3)) == nil)
        #expect(pool.take(model: "b", now: at(3)) == 3)
        #expect(pool.take(model: "c", now: at(3)) == nil)
    }

    @Test func idleTooLong() {
        let pool = Pool()
        _ = pool.put(1, model: "a", openedAt: at(0), now: at(10))
        #expect(pool.nextDeadline == at(40))
        #expect(pool.expire(now: at(39)).isEmpty)
        #expect(pool.take(model: "a", now: at(40)) == nil, "a connection that is about to be closed is not given out")
        #expect(pool.expire(now: at(40)) == [1])
        #expect(pool.nextDeadline == nil)
        #expect(pool.count == 0)
    }

    @Test func tooOld() {
        let pool = Pool()
        #expect(!pool.put(1, model: "a", openedAt: at(0), now: at(100)))
        #expect(pool.put(2, model: "a", openedAt: at(0), now: at(90)))
        #expect(pool.nextDeadline == at(100), "age comes before idleness")
        #expect(pool.expire(now: at(100)) == [2])
    }

    @Test func forgetsAndEmpties() {
        let pool = Pool()
        _ = pool.put(1, model: "a", openedAt: at(0), now: at(1))
        _ = pool.put(2, model: "a", openedAt: at(0), now: at(1))
        #expect(pool.remove(1, model: "a"))
        #expect(!pool.remove(1, model: "a"))
        #expect(!pool.remove(2, model: "b"))
        #expect(pool.removeAll() == [2])
        #expect(pool.count == 0)
    }

    @Test func budget() {
        let budget = IdleBudget(maximum: 2)
        #expect(budget.take("a"))
        #expect(budget.take("a"))
        #expect(!budget.take("a"))
        #expect(budget.take("b"))
        budget.give("a")
        #expect(budget.take("a"))
        #expect(!IdleBudget(maximum: 0).take("a"))
    }

    /// The last ones stay until they are old.
    @Test func keepsTheMinimum() {
        var pool = IdlePool<Int>(keepIdle: .seconds(30), maximumAge: .seconds(100), minimum: 1)
        _ = pool.put(1, model: "a", openedAt: at(0), now: at(1))
        _ = pool.put(2, model: "a", openedAt: at(0), now: at(2))
        #expect(pool.nextDeadline == at(31))
        let idle = pool.expire(now: at(50))
        #expect(idle == [1])
        #expect(pool.nextDeadline == at(100))
        let old = pool.expire(now: at(100))
        #expect(old == [2])
    }

    @Test func asksForSignsOfLife() {
        var pool = IdlePool<Int>(
            keepIdle: .seconds(300), maximumAge: .seconds(300), ping: (after: .seconds(10), patience: .seconds(5)))
        _ = pool.put(1, model: "a", openedAt: at(0), now: at(0))
        _ = pool.put(2, model: "a", openedAt: at(0), now: at(1))
        #expect(pool.nextDeadline == at(10))
        var due = pool.pings(now: at(9))
        #expect(due.isEmpty)
        due = pool.pings(now: at(11))
        #expect(due == [1, 2])
        due = pool.pings(now: at(11))
        #expect(due.isEmpty, "each is asked once")
        pool.ponged(model: "a", now: at(12)) { $0 == 1 }
        var silent = pool.silent(now: at(15))
        #expect(silent.isEmpty)
        let taken = pool.take(model: "a", now: at(15))
        #expect(taken == 1, "the one that has answered, though the other was used later")
        silent = pool.silent(now: at(16))
        #expect(silent == [2])
        #expect(pool.count == 0)
    }
}
