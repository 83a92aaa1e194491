internal import ChatModel
internal import NIOCore
internal import Synchronization

/// All jobs of this worker: which run, which stand in the line for a place, who may start next. Any thread.
final class JobBoard: Sendable {
    /// What is to be done with a job that has just come.
    enum Admission {
        case admitted
        /// The same job is here already: let this delivery share its end, or be its delivery again.
        case known(JobExecution)
        /// Its connection is gone already; the broker gives it out again.
        case stale
    }

    private enum Place {
        case none, inLine, running
        /// Its answer seems to be over; its place is another's.
        case ending
    }

    private struct Entry {
        var execution: JobExecution
        var place = Place.none
    }

    private struct State {
        var jobs: [JobKey: Entry] = [:]
        /// Jobs that have a place, and those that have given theirs up.
        var running = 0
        var ending = 0
        var line: FairLine<ObjectIdentifier, JobExecution, RouteLane>
        /// The consumer connection that is valid; 0 for none.
        var generation: UInt64 = 0
        var isDraining = false
        var whenEmpty: CheckedContinuation<Void, Never>?
        /// When a shut gate is looked at again; monotonic nanoseconds.
        var nextLook: UInt64?
    }

    private let concurrency: Int
    private let gates: RouteGates
    private let timers: any EventLoop
    private let state: Mutex<State>

    /// - Parameter timers: looks at shut gates again.
    init(concurrency: Int, fairness: FairnessPolicy, gates: RouteGates, timers: any EventLoop) {
        self.concurrency = concurrency
        self.gates = gates
        self.timers = timers
        state = Mutex(State(line: FairLine(policy: fairness)))
    }

    func admit(_ execution: JobExecution) -> Admission {
        state.withLock { state in
            guard execution.admittedGeneration == state.generation, !state.isDraining else { return .stale }
            if let known = state.jobs[execution.job.key] { return .known(known.execution) }
            state.jobs[execution.job.key] = Entry(execution: execution)
            return .admitted
        }
    }

    // MARK: The line

    /// It waits for its turn, which may come at once.
    ///
    /// - Parameter hadPlace: in an earlier life: it goes before its customer's jobs that never had one.
    func enter(_ execution: JobExecution, hadPlace: Bool = false) {
        pump { state in
            guard state.jobs[execution.job.key]?.execution === execution else { return }
            state.jobs[execution.job.key]?.place = .inLine
            let (id, customer) = (ObjectIdentifier(execution), execution.job.customer)
            if hadPlace {
                state.line.reenter(
                    execution, id: id, customer: customer, priority: execution.priority, lane: execution.lane)
            } else {
                state.line.enter(
                    execution, id: id, customer: customer, priority: execution.priority, lane: execution.lane)
            }
        }
    }

    /// It gives its place back and waits again, before its customer's other jobs.
    func yield(_ execution: JobExecution) {
        pump { state in
            guard let entry = state.jobs[execution.job.key], entry.execution === execution, entry.place != .inLine
            else { return }
            if entry.place == .running { state.running -= 1 }
            if entry.place == .ending { state.ending -= 1 }
            state.jobs[execution.job.key]?.place = .inLine
            state.line.reenter(
                execution, id: ObjectIdentifier(execution), customer: execution.job.customer,
                priority: execution.priority, lane: execution.lane)
        }
    }

    /// Only the end of its answer is awaited: its place goes to the next job.
    func giveUpPlace(_ execution: JobExecution) {
        pump { state in
            guard let entry = state.jobs[execution.job.key], entry.execution === execution, entry.place == .running
            else { return }
            state.running -= 1
            state.ending += 1
            state.jobs[execution.job.key]?.place = .ending
            state.line.finished(ObjectIdentifier(execution), tokens: execution.tokens)
        }
    }

    /// It ends, or moves, without a turn.
    func leaveLine(_ execution: JobExecution) {
        state.withLock { state in
            guard let entry = state.jobs[execution.job.key], entry.execution === execution, entry.place == .inLine
            else { return }
            state.jobs[execution.job.key]?.place = .none
            state.line.remove(ObjectIdentifier(execution))
        }
    }

    /// A gate may have opened: whoever waits for it may go.
    func gateMayHaveOpened() { pump { _ in } }

    /// A job is over.
    func finished(_ execution: JobExecution) {
        var continuation: CheckedContinuation<Void, Never>?
        pump { state in
            guard let entry = state.jobs[execution.job.key], entry.execution === execution else { return }
            state.jobs[execution.job.key] = nil
            switch entry.place {
            case .none: break
            case .inLine: state.line.remove(ObjectIdentifier(execution))
            case .ending: state.ending -= 1
            case .running:
                state.running -= 1
                state.line.finished(ObjectIdentifier(execution), tokens: execution.tokens)
            }
            if state.jobs.isEmpty { continuation = state.whenEmpty.take() }
        }
        continuation?.resume()
    }

    /// Changes the state, then lets go who may go.
    private func pump(_ change: (inout State) -> Void) {
        var started: [(JobExecution, RouteGates.Pass)] = []
        let look = state.withLock { state -> UInt64? in
            change(&state)
            while state.running < concurrency, let next = state.line.next(isOpen: gates.isOpen) {
                // Between two looks a job that has a place already may have taken the last one at the gate.
                guard let pass = gates.enter(next.lane) else {
                    state.line.reenter(
                        next, id: ObjectIdentifier(next), customer: next.job.customer, priority: next.priority,
                        lane: next.lane)
                    break
                }
                state.running += 1
                state.jobs[next.job.key]?.place = .running
                started.append((next, pass))
            }
            guard state.running < concurrency, state.line.waitingCount > 0, state.nextLook == nil else { return nil }
            state.nextLook = gates.nextOpening
            return state.nextLook
        }
        for (execution, pass) in started { execution.loop.execute { execution.begin(pass) } }
        guard let look else { return }
        timers.scheduleTask(deadline: .uptimeNanoseconds(look)) {
            self.pump { $0.nextLook = nil }
        }
    }

    // MARK: Connections

    /// A new connection's deliveries are valid from now on.
    func opened(generation: UInt64) { state.withLock { $0.generation = generation } }

    /// The connection's deliveries are void. Returns the jobs concerned.
    func lost(generation: UInt64) -> [JobExecution] {
        state.withLock { state in
            if state.generation == generation { state.generation = 0 }
            return state.jobs.values.map(\.execution)
        }
    }

    /// The job of this key, where it is here.
    func known(_ key: JobKey) -> JobExecution? { state.withLock { $0.jobs[key]?.execution } }

    /// The connection that was opened last and is not lost, 0 for none.
    var generation: UInt64 { state.withLock { $0.generation } }

    var all: [JobExecution] { state.withLock { $0.jobs.values.map(\.execution) } }

    /// Those that have a place, or have given it up only because their answer seems to be over.
    var running: [JobExecution] {
        state.withLock { state in
            state.jobs.values.filter { $0.place == .running || $0.place == .ending }.map(\.execution)
        }
    }

    /// Customers with most jobs here.
    func busiest(_ count: Int) -> [JobRunner.Live.Customer] {
        let all = state.withLock { $0.line.activeCustomers }
        let sorted = all.sorted { ($0.running + $0.waiting, $1.name) > ($1.running + $1.waiting, $0.name) }
        return sorted.prefix(count).map { .init(name: $0.name, running: $0.running, waiting: $0.waiting) }
    }

    var counts: (running: Int, waiting: Int) {
        state.withLock { ($0.running + $0.ending, $0.line.waitingCount) }
    }

    // MARK: Stopping

    /// From now on nothing is admitted. Returns what is here.
    func drain() -> [JobExecution] {
        state.withLock { state in
            state.isDraining = true
            return state.jobs.values.map(\.execution)
        }
    }

    /// Whoever waits in `empty` waits no longer.
    func giveUpWaiting() { state.withLock { $0.whenEmpty.take() }?.resume() }

    /// Returns when no job is left.
    func empty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                // Cancelled, nobody would resume it any more.
                let isOver = state.jobs.isEmpty || Task.isCancelled
                if !isOver { state.whenEmpty = continuation }
                return isOver
            }
            if isEmpty { continuation.resume() }
        }
    }
}
