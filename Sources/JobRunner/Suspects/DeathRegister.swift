internal import ChatModel

/// Which jobs had begun in workers that died, as the journal tells it to all workers. Pure; times are milliseconds since 1970.
///
/// An attempt is known to have died with its worker if somebody else has said what it cost; while nobody has, it may have. A
/// worker that lives after all says it itself, and takes that back.
struct DeathRegister: Sendable {
    fileprivate struct Death: Sendable {
        var attempt: Int64
        var worker: String
        var suspects: Int
        var began: Int64
    }

    /// How long a death is remembered.
    private static let memory: Int64 = 86_400_000
    /// How long ago a worker may have died that makes another cause likely.
    private static let lately: Int64 = 600_000

    private var deaths: [JobKey: [Death]] = [:]
    /// When a worker's last attempt began.
    private var lastBegan: [String: Int64] = [:]
    /// Workers whose death one job alone is to blame for, which was found.
    private var explained: Set<String> = []
    /// Workers that died, the last one last, and how many suspects passed between it and the next.
    private var falls: [(worker: String, passed: Int)] = []
    private var changes = 0

    /// Of which a job's present attempts may be some.
    func record(of key: JobKey, open: [AttemptStart], besides own: String, now: Int64) -> DeathRecord {
        let known = deaths[key] ?? []
        let all = (known + open.map { Death($0) }).filter { $0.worker != own && !explained.contains($0.worker) }
        guard !all.isEmpty else { return DeathRecord() }
        let workers = Set(all.map(\.worker))
        // Of several attempts in one process, the one with the least company.
        let trials = Dictionary(
            all.lazy.filter { $0.suspects > 0 }.map { ($0.worker, $0.suspects) }, uniquingKeysWith: min)
        let unheard = workers.subtracting(known.lazy.map(\.worker)).count
        return DeathRecord(
            workers: workers, unheard: unheard, trials: trials.values.sorted(),
            others: others(besides: workers, now: now), passed: unheard == 0 ? falls.last?.passed ?? 0 : 0,
            lag: all.map { max(0, (lastBegan[$0.worker] ?? $0.began) - $0.began) }.min() ?? 0)
    }

    private func others(besides workers: Set<String>, now: Int64) -> Int {
        let dead = Set(deaths.values.lazy.joined().lazy.filter { $0.began > now - Self.lately }.map(\.worker))
        return dead.subtracting(workers).subtracting(explained).count
    }

    mutating func began(_ start: AttemptStart) {
        guard !start.worker.isEmpty else { return }
        lastBegan[start.worker] = max(lastBegan[start.worker] ?? 0, start.began)
    }

    /// Its worker is dead: another one has said what the attempt cost.
    mutating func died(_ start: AttemptStart, now: Int64) {
        guard !(deaths[start.key] ?? []).contains(where: { $0.attempt == start.attempt }) else { return }
        let death = Death(start)
        deaths[start.key, default: []].append(death)
        if !explained.contains(death.worker), !falls.contains(where: { $0.worker == death.worker }) {
            if falls.count >= 100 { falls.removeFirst() }
            falls.append((death.worker, 0))
        }
        forget(before: now - Self.memory)
    }

    /// The worker says itself what the attempt came to: it lives.
    mutating func lives(_ key: JobKey, _ attempt: Int64) {
        deaths[key]?.removeAll { $0.attempt == attempt }
        if deaths[key]?.isEmpty == true { deaths[key] = nil }
    }

    /// The job has ended.
    ///
    /// - Parameter passed: on trial, in a worker that lives.
    mutating func ended(_ key: JobKey, passed: Bool = false) {
        deaths[key] = nil
        if passed, !falls.isEmpty { falls[falls.count - 1].passed += 1 }
    }

    /// The job was given up because workers died with it: those deaths speak against nobody else any more.
    mutating func convicted(_ key: JobKey) {
        let own = deaths.removeValue(forKey: key) ?? []
        guard own.contains(where: { $0.suspects == 1 }) else { return }
        explained.formUnion(own.map(\.worker))
        // No reason for a small window any more: what passed before and after them counts together.
        falls = falls.reduce(into: []) { left, fall in
            if explained.contains(fall.worker), !left.isEmpty {
                left[left.count - 1].passed += fall.passed
            } else if !explained.contains(fall.worker) {
                left.append(fall)
            }
        }
    }

    private mutating func forget(before time: Int64) {
        changes += 1
        guard changes % 1_000 == 0 else { return }
        deaths = deaths.filter { $0.value.contains { $0.began > time } }
        lastBegan = lastBegan.filter { $0.value > time }
        explained = explained.filter { lastBegan[$0] != nil }
    }
}

extension DeathRegister.Death {
    fileprivate init(_ start: AttemptStart) {
        // A worker of an earlier version does not say who it is.
        let worker = start.worker.isEmpty ? "unknown-\(start.attempt)" : start.worker
        self.init(attempt: start.attempt, worker: worker, suspects: start.suspects, began: start.began)
    }
}
