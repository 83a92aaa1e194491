internal import ChatModel
internal import NIOCore

extension JobRunner {
    /// What runs at this moment, for an operator who looks. No text of anybody's.
    package struct Live: Sendable {
        package struct Stream: Sendable, Equatable {
            package var job: String
            package var customer: String
            package var gateway: String
            package var model: String
            /// `connecting`, `streaming`, `backing_off` or `completing`.
            package var state: String
            package var attempt: Int64
            /// Chunks of output so far.
            package var chunks: Int
            /// Nanoseconds since its first try.
            package var age: UInt64
        }

        package struct Customer: Sendable, Equatable {
            package var name: String
            package var running: Int
            package var waiting: Int
        }

        package struct Model: Sendable, Equatable {
            package var gateway: String
            package var model: String
            package var inFlight: Int
            /// `open`, `limited` (429) or `cooling`.
            package var gate: String
        }

        /// Chunks of output of all that run.
        package var chunks: Int
        /// Those that have run longest, the longest first.
        package var streams: [Stream]
        /// Those with most jobs here, the busiest first.
        package var customers: [Customer]
        package var models: [Model]
    }

    /// Asks every event loop for its jobs: a fraction of a millisecond for thousands of them, so once a second at most.
    package func live(mostStreams: Int = 50, mostCustomers: Int = 20, mostModels: Int = 100) async -> Live {
        let byLoop = Dictionary(grouping: board.running) { ObjectIdentifier($0.loop) }
        var (chunks, streams): (Int, [Live.Stream]) = (0, [])
        for jobs in byLoop.values {
            let loop = jobs[0].loop
            let found = try? await loop.submit { Self.reading(jobs, most: mostStreams) }.get()
            chunks += found?.chunks ?? 0
            streams += found?.streams ?? []
        }
        return Live(
            chunks: chunks, streams: Array(streams.sorted { $0.age > $1.age }.prefix(mostStreams)),
            customers: board.busiest(mostCustomers), models: host.gates.readings(most: mostModels))
    }

    /// On the jobs' loop.
    private static func reading(_ jobs: [JobExecution], most: Int) -> (chunks: Int, streams: [Live.Stream]) {
        let oldest = jobs.sorted { $0.timings.begun < $1.timings.begun }.prefix(most)
        return (jobs.reduce(0) { $0 + $1.tokens }, oldest.compactMap(\.reading))
    }
}

extension JobExecution {
    fileprivate var reading: JobRunner.Live.Stream? {
        let state: String
        switch machine.phase {
        case .waiting, .done: return nil
        case .connecting: state = "connecting"
        case .streaming: state = "streaming"
        case .backingOff: state = "backing_off"
        case .completing: state = "completing"
        }
        return .init(
            job: job.id, customer: job.customer, gateway: route.gateway, model: route.upstreamModel,
            state: state, attempt: machine.attempt.value, chunks: tokens,
            age: timings.begun == 0 ? 0 : NIODeadline.now().uptimeNanoseconds &- timings.begun)
    }
}
