internal import TestSupport

/// What is done in a run, and in which order. Pure: the same seed gives the same plan.
package struct FaultPlan: Sendable, Equatable {
    package struct Step: Sendable, Equatable {
        package var fault: Fault
        /// What the fault chooses by chance follows from it: moments, directions, victims.
        package var seed: UInt64
        /// Seconds of undisturbed work before it.
        package var pause: Double
    }

    package enum Size: Sendable {
        /// Every fault as often as `timesInFullRun` says, shuffled.
        case full
        /// Every fault once, shuffled.
        case once
        /// A few of the most telling ones, for the test suite.
        case quick
    }

    package let seed: UInt64
    package private(set) var steps: [Step] = []

    /// - Parameter faults: only these; empty for all.
    package init(seed: UInt64, size: Size, only faults: [Fault] = []) {
        self.seed = seed
        var random = SeededGenerator(seed: seed)
        let wanted: [Fault] =
            switch size {
            case .quick: Self.quick(&random)
            case .once: faults.isEmpty ? Fault.all : faults
            case .full:
                (faults.isEmpty ? Fault.all : faults)
                    .flatMap { Array(repeating: $0, count: $0.timesInFullRun) }
            }
        let chosen = faults.isEmpty ? wanted : wanted.filter(faults.contains)
        steps = chosen.shuffled(using: &random).map { fault in
            Step(fault: fault, seed: random.next(), pause: Double.random(in: 0.1...0.5, using: &random))
        }
    }

    /// Kills at places that matter, one dead broker, one connection that swallows everything.
    private static func quick(_ random: inout SeededGenerator) -> [Fault] {
        let places: [Fault] = [
            .failpoint(.chunk), .failpoint(.terminalConfirmed), .failpoint(.webhookQueued), .failpoint(.acknowledged),
            .failpoint(.webhookPosted),
        ]
        return places.shuffled(using: &random).prefix(3) + [.kill, .killBeside, .brokerKill, .consumeHalfOpen]
    }
}
