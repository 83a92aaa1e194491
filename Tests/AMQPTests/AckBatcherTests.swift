import Testing

@testable import AMQP

@Suite struct AckBatcherTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var delivered: ClosedRange<UInt64>
        var settled: [(UInt64, Settlement.Verdict)]
        var commands: [AckBatcher.Command]
    }

    static let cases: [Case] = [
        Case(testDescription: "nothing", delivered: 1...3, settled: [], commands: []),
        Case(
            testDescription: "one is not multiple", delivered: 1...3, settled: [(1, .acknowledge)],
            commands: [.acknowledge(1, multiple: false)]),
        Case(
            testDescription: "a prefix in any order is one ack", delivered: 1...4,
            settled: [(3, .acknowledge), (1, .acknowledge), (2, .acknowledge)],
            commands: [.acknowledge(3, multiple: true)]),
        Case(
            testDescription: "behind a gap one by one, ascending", delivered: 1...5,
            settled: [(5, .acknowledge), (3, .acknowledge)],
            commands: [.acknowledge(3, multiple: false), .acknowledge(5, multiple: false)]),
        Case(
            testDescription: "prefix and rest", delivered: 1...6,
            settled: [(1, .acknowledge), (2, .acknowledge), (4, .acknowledge)],
            commands: [.acknowledge(2, multiple: true), .acknowledge(4, multiple: false)]),
        Case(
            testDescription: "a rejection goes before the ack that would cover it", delivered: 1...3,
            settled: [(1, .acknowledge), (3, .acknowledge), (2, .requeue)],
            commands: [.reject(2, requeue: true), .acknowledge(3, multiple: true)]),
        Case(
            testDescription: "twice counts once", delivered: 1...2,
            settled: [(1, .acknowledge), (1, .acknowledge), (1, .reject)],
            commands: [.acknowledge(1, multiple: false)]),
        Case(
            testDescription: "never delivered", delivered: 1...2, settled: [(9, .acknowledge), (7, .reject)],
            commands: []),
    ]

    @Test(arguments: cases) func flush(_ sample: Case) {
        var batcher = AckBatcher(generation: 3)
        for tag in sample.delivered { batcher.delivered(tag) }
        for (tag, verdict) in sample.settled {
            batcher.settle(Settlement(tag: DeliveryTag(generation: 3, value: tag), verdict: verdict))
        }
        #expect(batcher.flush() == sample.commands)
        #expect(batcher.flush().isEmpty)
    }

    @Test(arguments: [UInt64(0), 2, 4]) func anotherGenerationIsIgnored(_ generation: UInt64) {
        var batcher = AckBatcher(generation: 3)
        batcher.delivered(1)
        batcher.settle(Settlement(tag: DeliveryTag(generation: generation, value: 1), verdict: .acknowledge))
        #expect(batcher.flush().isEmpty)
        #expect(batcher.outstanding == 1)
    }

    /// Whatever the order: every tag is settled exactly once, as it was asked, and none that was not.
    @Test(arguments: 0..<50) func randomized(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var batcher = AckBatcher(generation: 1)
        var open: [UInt64] = []
        var asked: [UInt64: Settlement.Verdict] = [:]
        var told: [UInt64: Settlement.Verdict] = [:]
        var next: UInt64 = 1
        for _ in 0..<500 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                batcher.delivered(next)
                open.append(next)
                next += 1
            case 4..<9 where !open.isEmpty:
                let tag = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                let verdict: Settlement.Verdict =
                    Int.random(in: 0..<8, using: &random) == 0 ? .reject : .acknowledge
                asked[tag] = verdict
                batcher.settle(Settlement(tag: DeliveryTag(generation: 1, value: tag), verdict: verdict))
            default:
                apply(batcher.flush(), to: &told, upTo: next)
                try #require(told == asked)
                try #require(batcher.outstanding == open.count)
            }
        }
    }

    /// What the broker would do; an ack of a settled or unknown tag is the 406 that must not happen.
    private func apply(
        _ commands: [AckBatcher.Command], to told: inout [UInt64: Settlement.Verdict], upTo next: UInt64
    ) {
        for command in commands {
            switch command {
            case .acknowledge(let tag, multiple: false):
                #expect(told.updateValue(.acknowledge, forKey: tag) == nil && tag < next)
            case .acknowledge(let tag, multiple: true):
                #expect(told[tag] == nil && tag < next)
                for covered in 1...tag where told[covered] == nil { told[covered] = .acknowledge }
            case .reject(let tag, _):
                #expect(told.updateValue(.reject, forKey: tag) == nil && tag < next)
            }
        }
    }

    @Test func memoryDoesNotGrowBehindALongJob() throws {
        var batcher = AckBatcher(generation: 1)
        batcher.delivered(1)
        for tag in UInt64(2)...100_000 {
            batcher.delivered(tag)
            batcher.settle(Settlement(tag: DeliveryTag(generation: 1, value: tag), verdict: .acknowledge))
            try #require(batcher.flush() == [.acknowledge(tag, multiple: false)])
        }
        #expect(batcher.outstanding == 1)
        #expect(batcher.rememberedTags < 200)
    }
}

/// A small repeatable generator (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
