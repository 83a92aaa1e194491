import Dispatch
import NIOPosix
import Synchronization
import Testing

@testable import WorkerService

@Suite struct LivenessProbeTests {
    private static let start = ContinuousClock.now

    private static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func whoAnswersInTimeIsNeverSilent() {
        var heartbeats = Heartbeats(count: 2, limit: .seconds(10))
        for second in stride(from: 0, to: 100, by: 5) {
            #expect(heartbeats.silent(at: Self.at(second)).isEmpty)
            #expect(heartbeats.ask(at: Self.at(second)) == [0, 1])
            heartbeats.answered(0)
            heartbeats.answered(1)
        }
    }

    @Test func silenceCountsFromTheFirstQuestion() {
        var heartbeats = Heartbeats(count: 3, limit: .seconds(10))
        #expect(heartbeats.ask(at: Self.at(0)) == [0, 1, 2])
        heartbeats.answered(0)
        heartbeats.answered(2)
        #expect(heartbeats.silent(at: Self.at(9)).isEmpty)
        #expect(heartbeats.ask(at: Self.at(9)) == [0, 2], "1 owes an answer already")
        #expect(heartbeats.silent(at: Self.at(10)) == [1])
        heartbeats.answered(1)
        #expect(heartbeats.silent(at: Self.at(10)).isEmpty, "late, but there")
        heartbeats.answered(7)
        #expect(heartbeats.silent(at: Self.at(19)) == [0, 2])
    }

    /// A real event loop that is blocked on purpose, and let go again.
    @Test(.timeLimit(.minutes(1))) func aBlockedEventLoopIsNoticed() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let probe = LivenessProbe(group: group, limit: .seconds(10))
        #expect(probe.isAlive(now: Self.at(0)))
        for loop in group.makeIterator() { try await loop.submit {}.get() }
        #expect(probe.isAlive(now: Self.at(100)), "both had answered")
        for loop in group.makeIterator() { try await loop.submit {}.get() }

        let gate = DispatchSemaphore(value: 0)
        let stuck = group.next()
        let isBlocked = DispatchSemaphore(value: 0)
        stuck.execute {
            isBlocked.signal()
            gate.wait()
        }
        await Self.wait(for: isBlocked)
        #expect(probe.isAlive(now: Self.at(200)), "nobody was late so far")
        #expect(probe.isAlive(now: Self.at(209)))
        #expect(!probe.isAlive(now: Self.at(210)))
        #expect(!probe.isAlive(now: Self.at(230)))
        gate.signal()
        // Both: the other one was asked at 230 too, and may not have got round to it.
        for loop in group.makeIterator() { try await loop.submit {}.get() }
        #expect(probe.isAlive(now: Self.at(240)))
        try await group.shutdownGracefully()
    }

    @Test func otherThreadsCount() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let isWell = Atomic(true)
        let probe = LivenessProbe(group: group, limit: .seconds(10)) { isWell.load(ordering: .relaxed) }
        #expect(probe.isAlive())
        isWell.store(false, ordering: .relaxed)
        #expect(!probe.isAlive())
        try await group.shutdownGracefully()
    }

    private static func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
        }
    }
}
