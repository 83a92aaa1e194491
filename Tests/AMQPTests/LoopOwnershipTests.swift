import Foundation
import Synchronization
import TestSupport
import Testing

@testable import AMQP

/// Who may touch a connection's loop.
@Suite struct LoopOwnershipTests {
    private let ownership = LoopOwnership()

    @Test func itsThreadHasItWhileAwake() {
        #expect(ownership.borrow() == .woken)
        #expect(!ownership.rest(.lendable), "a wake has come")
        #expect(ownership.take())
        #expect(!ownership.take())
    }

    @Test func itIsLentWhileItsThreadSleeps() {
        #expect(ownership.rest(.lendable))
        #expect(ownership.borrow() == .lent)
        #expect(ownership.borrow() == .woken, "one has it already")
        ownership.giveBack(wake: false)
        #expect(isSignalled, "who came second is not forgotten")
        #expect(ownership.borrow() == .woken)
        #expect(ownership.take())
        #expect(ownership.rest(.lendable))
        #expect(ownership.borrow() == .lent)
        ownership.giveBack(wake: false)
        #expect(!isSignalled)
        #expect(ownership.borrow() == .lent)
        ownership.giveBack(wake: true)
        #expect(isSignalled)
        #expect(ownership.take())
    }

    @Test(arguments: [(LoopOwnership.Rest.own, LoopOwnership.Borrowing.woken, true), (.full, .full, false)])
    func itIsNotLent(_ rest: LoopOwnership.Rest, _ borrowing: LoopOwnership.Borrowing, isWoken: Bool) {
        #expect(ownership.rest(rest))
        #expect(ownership.borrow() == borrowing)
        #expect(isSignalled == isWoken)
        #expect(ownership.take() == isWoken)
    }

    @Test(arguments: [LoopOwnership.Rest.own, .lendable, .full]) func aWakeEndsEverySleep(_ rest: LoopOwnership.Rest) {
        #expect(ownership.rest(rest))
        ownership.wake()
        #expect(isSignalled)
        ownership.wake()
        #expect(!isSignalled, "once is enough")
        #expect(ownership.take())
    }

    /// The thread woke up by itself while somebody has the loop: it waits.
    @Test func itsThreadWaitsForIt() async throws {
        #expect(ownership.rest(.lendable))
        #expect(ownership.borrow() == .lent)
        let (ownership, log) = (ownership, EventLog<Bool>())
        async let taken = onOwnThread {
            let woken = ownership.take()
            log.append(woken)
            return woken
        }
        try await Task.sleep(for: .milliseconds(50))
        #expect(log.events.isEmpty)
        ownership.giveBack(wake: false)
        #expect(try await taken)
        #expect(ownership.rest(.lendable), "nothing is left of it")
    }

    /// Nobody is ever beside another, nothing that was put down is overlooked, and nobody sleeps for ever.
    @Test func manyThreads() async throws {
        let loop = CountingLoop()
        let rounds = 20_000
        async let counted = onOwnThread { loop.run(until: 3 * rounds + 1) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<3 {
                group.addTask {
                    try await onOwnThread {
                        for round in 0..<rounds { loop.add(wakes: number == 0 && round.isMultiple(of: 7)) }
                    }
                }
            }
            try await group.waitForAll()
        }
        // The others may all have been through before the loop slept once.
        #expect(try await onOwnThread { loop.addWhileAsleep() })
        #expect(try await counted == 3 * rounds + 1)
        #expect(loop.collisions == 0)
        #expect(loop.lentCount > 0)
    }

    private var isSignalled: Bool {
        var descriptor = pollfd(fd: ownership.fileDescriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, 0) > 0 else { return false }
        ownership.drain()
        return true
    }
}

/// Counts what others put down, as a publish connection does.
private final class CountingLoop: Sendable {
    private let ownership = LoopOwnership()
    private let inbox = Atomic<Int>(0)
    private let isInside = Atomic<Bool>(false)
    private let collided = Atomic<Int>(0)
    private let lent = Atomic<Int>(0)
    /// No lock guards it: `ownership` does.
    nonisolated(unsafe) private var total = 0

    var collisions: Int { collided.load(ordering: .relaxed) }
    var lentCount: Int { lent.load(ordering: .relaxed) }

    func add(wakes: Bool) {
        inbox.wrappingAdd(1, ordering: .acquiringAndReleasing)
        if wakes { return ownership.wake() }
        guard ownership.borrow() == .lent else { return }
        lent.wrappingAdd(1, ordering: .relaxed)
        collect()
        ownership.giveBack(wake: false)
    }

    /// False if the loop does not sleep in time.
    func addWhileAsleep() -> Bool {
        let deadline = Monotonic.now() + 30_000_000_000
        while Monotonic.now() < deadline {
            guard ownership.borrow() == .lent else {
                sched_yield()
                continue
            }
            lent.wrappingAdd(1, ordering: .relaxed)
            inbox.wrappingAdd(1, ordering: .acquiringAndReleasing)
            collect()
            ownership.giveBack(wake: true)
            return true
        }
        return false
    }

    func run(until goal: Int) -> Int {
        let poller = ConnectionPoller(ownership: ownership)
        let deadline = Monotonic.now() + 60_000_000_000
        var naps: UInt64 = 0
        while Monotonic.now() < deadline {
            collect()
            if total >= goal { return total }
            naps += 1
            // Now and then it wakes up by itself, as for a confirm.
            poller.sleep(socket: -1, as: .lendable, limit: naps % 3 == 0 ? 0 : 1_000_000_000)
            _ = ownership.take()
        }
        return total
    }

    private func collect() {
        if isInside.exchange(true, ordering: .acquiringAndReleasing) {
            collided.wrappingAdd(1, ordering: .relaxed)
        }
        total += inbox.exchange(0, ordering: .acquiringAndReleasing)
        isInside.store(false, ordering: .releasing)
    }
}
