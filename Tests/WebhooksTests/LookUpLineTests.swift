import Glibc
import NIOPosix
import Synchronization
import Testing

@testable import Webhooks

@Suite struct LookUpLineTests {
    private static let start = ContinuousClock.now

    @Test func looksANameUpOnceForAll() {
        var line = LookUpLine()
        #expect(line.arrive(1, "a", customer: "x", now: Self.start) == .start)
        #expect(line.arrive(2, "a", customer: "x", now: Self.start) == .join)
        #expect(line.arrive(3, "a", customer: "y", now: Self.start) == .join)
        let done = line.finished("a", failure: nil, now: Self.start)
        #expect(done.callers == [1, 2, 3] && done.next.isEmpty)
        // What was good is asked for again.
        #expect(line.arrive(4, "a", customer: "x", now: Self.start) == .start)
    }

    @Test func oneCustomerNeverHoldsAllThreads() {
        var line = LookUpLine(policy: .init(threads: 4, customerThreads: 2))
        let greedy = (1...10).map { line.arrive(UInt64($0), "dead\($0)", customer: "x", now: Self.start) }
        #expect(greedy == [.start, .start] + [LookUpLine.Arrival](repeating: .wait, count: 8))
        #expect(line.arrive(11, "good", customer: "y", now: Self.start) == .start)
        #expect(line.arrive(12, "good2", customer: "y", now: Self.start) == .start)
        #expect(line.arrive(13, "good3", customer: "z", now: Self.start) == .wait)
        // The next in order whose customer has room.
        #expect(line.finished("good", failure: nil, now: Self.start).next == ["good3"])
        #expect(line.finished("dead1", failure: nil, now: Self.start).next == ["dead3"])
        // A name that waits for one customer starts at once for another.
        #expect(line.finished("good2", failure: nil, now: Self.start).next == [])
        #expect(line.arrive(14, "dead9", customer: "y", now: Self.start) == .start)
        #expect(line.finished("dead9", failure: nil, now: Self.start).callers == [9, 14])
    }

    @Test func remembersFailuresForAMoment() {
        var line = LookUpLine(policy: .init(failureTime: .seconds(5), mostFailures: 2))
        #expect(line.arrive(1, "a", customer: "x", now: Self.start) == .start)
        _ = line.finished("a", failure: "unknown", now: Self.start)
        #expect(line.arrive(2, "a", customer: "y", now: Self.start + .seconds(4)) == .failed("unknown"))
        #expect(line.arrive(3, "a", customer: "y", now: Self.start + .seconds(5)) == .start)
        _ = line.finished("a", failure: "unknown", now: Self.start)
        for (index, name) in ["b", "c", "d", "e"].enumerated() {
            _ = line.arrive(UInt64(10 + index), name, customer: "x", now: Self.start)
            _ = line.finished(name, failure: "unknown", now: Self.start)
        }
        #expect(line.counts.failures <= 2)
    }

    @Test func whatNobodyWaitsForIsNotLookedUp() {
        var line = LookUpLine(policy: .init(threads: 1, customerThreads: 1))
        _ = line.arrive(1, "a", customer: "x", now: Self.start)
        _ = line.arrive(2, "b", customer: "x", now: Self.start)
        _ = line.arrive(3, "c", customer: "x", now: Self.start)
        #expect(line.isUnderWay(1) && !line.isUnderWay(2))
        line.cancel(2)
        line.cancel(1)
        let done = line.finished("a", failure: nil, now: Self.start)
        #expect(done.callers == [] && done.next == ["c"])
        #expect(line.counts.waiting == 0 && line.counts.running == 1)
    }

    @Test func theLineIsBounded() {
        var line = LookUpLine(policy: .init(threads: 1, customerThreads: 1, mostWaiting: 2))
        let arrivals = (1...4).map { line.arrive(UInt64($0), "n\($0)", customer: "x", now: Self.start) }
        #expect(arrivals == [.start, .wait, .wait, .full])
    }
}

/// The shell, with look-ups that end when the test says so.
@Suite(.timeLimit(.minutes(1))) struct SystemHostResolverTests {
    /// Blocks threads of the resolver until `release()`.
    private final class Silence: Sendable {
        private let lock = Mutex(false)
        let names = Mutex<[String]>([])

        func lookUp(_ name: String) throws -> [IPAddress] {
            names.withLock { $0.append(name) }
            guard name.hasPrefix("dead") else { return [IPAddress(ipv4: 0x0101_0101)] }
            while !lock.withLock({ $0 }) { sched_yield() }
            throw HostResolverError.failed("unknown")
        }

        func release() { lock.withLock { $0 = true } }
    }

    private static func with(
        threads: Int, customerThreads: Int, _ body: (SystemHostResolver, Silence) async throws -> Void
    ) async throws {
        let silence = Silence()
        let resolver = SystemHostResolver(
            policy: .init(threads: threads, customerThreads: customerThreads),
            group: MultiThreadedEventLoopGroup.singleton,
            lookUp: { try silence.lookUp($0) })
        let result: Result<Void, any Error>
        do { result = .success(try await body(resolver, silence)) } catch { result = .failure(error) }
        silence.release()
        resolver.stop()
        try result.get()
    }

    /// With eight threads and a queue without bounds the second customer waited for as long as the name servers of the first.
    @Test func deadNamesOfOneCustomerAreNotInTheWayOfOthers() async throws {
        try await Self.with(threads: 2, customerThreads: 1) { resolver, _ in
            let deadline = ContinuousClock.now + .seconds(30)
            let dead = (0..<20).map { index in
                Task { try await resolver.resolve("dead\(index)", for: "x", deadline: deadline) }
            }
            for _ in 0..<10 {
                let good = try await resolver.resolve("good", for: "y", deadline: deadline)
                #expect(good.addresses.count == 1)
            }
            for task in dead { task.cancel() }
            for task in dead { _ = await task.result }
        }
    }

    @Test func waitingForATurnIsNotATimeout() async throws {
        try await Self.with(threads: 1, customerThreads: 1) { resolver, silence in
            let first = Task {
                try await resolver.resolve("dead1", for: "x", deadline: .now + .milliseconds(100))
            }
            while silence.names.withLock({ $0.isEmpty }) { await Task.yield() }
            await #expect(throws: HostResolverError.busy) {
                try await resolver.resolve("dead2", for: "x", deadline: .now + .milliseconds(50))
            }
            await #expect(throws: HostResolverError.timedOut) { try await first.value }
            // Nobody waits for the second any more, so it never runs.
            let third = Task { try await resolver.resolve("good", for: "y", deadline: .now + .seconds(20)) }
            silence.release()
            let resolution = try await third.value
            #expect(resolution.addresses.count == 1)
            #expect(silence.names.withLock { $0 } == ["dead1", "good"])
        }
    }

    @Test func theTimeOfWaitingIsGivenBack() async throws {
        try await Self.with(threads: 1, customerThreads: 1) { resolver, silence in
            let first = Task { try? await resolver.resolve("dead1", for: "x", deadline: .now + .seconds(20)) }
            while silence.names.withLock({ $0.isEmpty }) { await Task.yield() }
            let second = Task { try await resolver.resolve("good", for: "x", deadline: .now + .seconds(20)) }
            while resolver.waiting == 0 { await Task.yield() }
            silence.release()
            let resolution = try await second.value
            #expect(resolution.waited > .zero)
            _ = await first.value
        }
    }
}
