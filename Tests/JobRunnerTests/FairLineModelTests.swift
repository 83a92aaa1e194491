import TestSupport
import Testing

@testable import JobRunner

/// What holds for every line: against a slow, obvious model, and over long runs.
@Suite struct FairLineModelTests {
    typealias Line = FairLine<Int, Int, Int>

    private struct Job: Equatable {
        var id: Int
        var customer: String
        var level: Int
        var lane: Int
        /// Earlier is lower, among one customer's jobs.
        var place: Int
    }

    /// A list of what waits, another of what runs, and the rules read off them.
    private struct Model {
        let policy: FairnessPolicy
        var waiting: [Job] = []
        var running: [Job] = []

        func mayStart(_ job: Job, open: Set<Int>) -> Bool {
            open.contains(job.lane) && running.count { $0.customer == job.customer } < policy.cap(of: job.customer)
        }

        /// The jobs of which any may be next.
        func candidates(open: Set<Int>) -> [Job] {
            let able = waiting.filter { mayStart($0, open: open) }
            let best = able.filter { $0.level == able.map(\.level).min() }
            return best.filter { job in !best.contains { $0.customer == job.customer && $0.place < job.place } }
        }
    }

    @Test(arguments: 1...40)
    func keepsEveryRule(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let names = (0..<Int.random(in: 1...6, using: &random)).map { "c\($0)" }
        var policy = FairnessPolicy(customerConcurrency: [nil, 1, 3].randomElement(using: &random) ?? nil)
        for name in names where Bool.random(using: &random) {
            policy.customers[name] = .init(
                weight: Int.random(in: 1...20, using: &random),
                concurrency: [nil, 0, 1, 4].randomElement(using: &random) ?? nil)
        }
        let lanes = Int.random(in: 1...4, using: &random)
        let levels = Int.random(in: 0...2, using: &random)
        var line = Line(policy: policy)
        var model = Model(policy: policy)
        var back: [Job] = []
        var count = 0
        for _ in 0..<400 {
            count += 1
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<5:
                let job = Job(
                    id: count, customer: names.randomElement(using: &random) ?? "",
                    level: Int.random(in: 0...levels, using: &random), lane: Int.random(in: 0..<lanes, using: &random),
                    place: count)
                let isIn = line.enter(
                    job.id, id: job.id, customer: job.customer, priority: job.level, lane: job.lane)
                try #require(isIn)
                model.waiting.append(job)
            case 5..<8:
                let open = Set((0..<lanes).filter { _ in Int.random(in: 0..<4, using: &random) > 0 })
                var asked: [Int] = []
                let able = Set(model.waiting.filter { model.mayStart($0, open: [$0.lane]) }.map(\.lane))
                let started = line.next {
                    asked.append($0)
                    return open.contains($0)
                }
                try #require(Set(asked).count == asked.count, "a gate was asked twice")
                try #require(able.isSuperset(of: asked), "a gate was asked for nobody")
                let candidates = model.candidates(open: open)
                guard let started else {
                    try #require(candidates.isEmpty, "a place stays empty")
                    continue
                }
                let job = try #require(candidates.first { $0.id == started }, "not the turn of \(started)")
                model.waiting.removeAll { $0.id == started }
                model.running.append(job)
            case 8, 9:
                guard let job = model.running.randomElement(using: &random) else { continue }
                model.running.removeAll { $0 == job }
                line.finished(job.id, tokens: Int.random(in: 0...3_000, using: &random))
                if Bool.random(using: &random) { back.append(job) }
            case 10:
                guard var job = back.popLast() ?? model.running.randomElement(using: &random) else { continue }
                model.running.removeAll { $0 == job }
                // Before all that never had a place; behind those that came back earlier.
                job.place = count - 1_000_000
                let isIn = line.reenter(
                    job.id, id: job.id, customer: job.customer, priority: job.level, lane: job.lane)
                try #require(isIn)
                model.waiting.append(job)
            default:
                guard let job = (model.waiting + model.running).randomElement(using: &random) else { continue }
                let waits = model.waiting.contains(job)
                try #require(line.remove(job.id) == (waits ? job.id : nil))
                model.waiting.removeAll { $0 == job }
            }
            try #require(line.waitingCount == model.waiting.count && line.runningCount == model.running.count)
            for name in names {
                let waiting = model.waiting.count { $0.customer == name }
                try #require(line.counts(of: name) == (waiting, model.running.count { $0.customer == name }))
            }
            let active = Set((model.waiting + model.running).map(\.customer))
            try #require(Set(line.activeCustomers.map(\.name)) == active)
        }
        #expect(line.removeAll().sorted() == model.waiting.map(\.id).sorted())
    }

    /// Who waits, what a job of theirs costs, and a weight.
    struct Backlog: Sendable {
        var costs: [ClosedRange<Int>]
        var weights: [Int]
        var places: Int
    }

    /// Long run in which everybody always waits: tokens are as the weights, whatever a job costs.
    @Test(arguments: [
        Backlog(costs: [100...100, 100...100], weights: [1, 1], places: 4),
        Backlog(costs: [10...50, 2_000...6_000], weights: [1, 1], places: 10),
        Backlog(costs: [10...50, 2_000...6_000, 1...4_000], weights: [1, 2, 5], places: 10),
        Backlog(costs: [500...1_500, 1...16_000, 100...300], weights: [3, 1, 1], places: 100),
        Backlog(costs: [100...3_000, 100...3_000], weights: [100, 1], places: 20),
    ])
    func sharesTokensByWeight(backlog: Backlog) throws {
        var random = SeededGenerator(seed: 7)
        let names = backlog.costs.indices.map { "c\($0)" }
        var policy = FairnessPolicy()
        for (name, weight) in zip(names, backlog.weights) { policy.customers[name] = .init(weight: weight) }
        var line = Line(policy: policy)
        var owners: [Int: Int] = [:]
        var count = 0
        func enter(_ customer: Int) {
            count += 1
            owners[count] = customer
            line.enter(count, id: count, customer: names[customer], priority: 1, lane: 0)
        }
        for customer in names.indices { for _ in 0..<(2 * backlog.places) { enter(customer) } }
        // A token takes one unit of time, so that dear jobs hold their place longer.
        var running: [(end: Int, id: Int, cost: Int)] = []
        var now = 0
        var served = [Int](repeating: 0, count: names.count)
        while served.reduce(0, +) < 6_000_000 {
            while running.count < backlog.places, let id = line.next(isOpen: { _ in true }) {
                let customer = try #require(owners[id])
                let cost = Int.random(in: backlog.costs[customer], using: &random)
                running.append((now + cost, id, cost))
                enter(customer)
            }
            try #require(running.count == backlog.places)
            let index = try #require(running.indices.min { running[$0].end < running[$1].end })
            let job = running.remove(at: index)
            now = job.end
            served[try #require(owners[job.id])] += job.cost
            line.finished(job.id, tokens: job.cost)
        }
        let sum = backlog.weights.reduce(0, +)
        for (tokens, weight) in zip(served, backlog.weights) {
            let due = Double(6_000_000 * weight / sum)
            // At the end some is charged by estimate, or not served yet.
            let open = Double(300 * backlog.places)
            #expect(abs(Double(tokens) - due) < 0.005 * due + open, "\(served) of \(backlog.weights)")
        }
    }

    /// A customer's flood costs another's single job no more than the end of one job that runs.
    @Test(arguments: [1, 3, 50]) func aFloodDoesNotMoveOthers(places: Int) throws {
        for startedBefore in [0, 1, 7, 100] {
            var line = Line(policy: FairnessPolicy())
            for id in 0..<10_000 { line.enter(id, id: id, customer: "flood", priority: 1, lane: id % 3) }
            var running: [Int] = []
            func fill() throws {
                while running.count < places { running.append(try #require(line.next { _ in true })) }
            }
            try fill()
            for _ in 0..<startedBefore {
                line.finished(running.removeFirst(), tokens: 700)
                try fill()
            }
            line.enter(-1, id: -1, customer: "single", priority: 1, lane: 0)
            line.finished(running.removeFirst(), tokens: 700)
            try fill()
            #expect(running.last == -1)
        }
    }

    /// Steps of a line with many jobs behind a shut gate do not look at them: else this takes hours.
    @Test(.timeLimit(.minutes(2))) func manyJobsAreCheap() throws {
        let many = 100_000
        var line = Line(policy: FairnessPolicy())
        for id in 0..<many { line.enter(id, id: id, customer: "a", priority: 0, lane: 0) }
        var asked = 0
        for id in many..<(2 * many) {
            line.enter(id, id: id, customer: "a", priority: 1, lane: 1)
            let started = line.next {
                asked += 1
                return $0 == 1
            }
            try #require(started == id)
            line.finished(id, tokens: 10)
        }
        #expect(asked == 2 * many)
        // From the end, from the middle, then the rest in order.
        for id in (0..<many).reversed() where id % 3 != 1 { try #require(line.remove(id) == id) }
        for id in 0..<many where id % 3 == 1 {
            try #require(line.next { _ in true } == id)
            line.finished(id, tokens: 10)
        }
        #expect(line.next { _ in true } == nil && line.activeCustomers.isEmpty)
    }
}
