import TestSupport
import Testing

@testable import JobRunner

/// Small lines, step by step. What holds for all of them is in `FairLineModelTests`.
@Suite struct FairLineTests {
    typealias Line = FairLine<String, String, String>

    /// `a1`: the first job of customer `a`, at level 1 and gate `g`; `a1/0`: at level 0; `a1:h`: at gate `h`.
    private static func parse(_ word: String) -> (id: String, customer: String, level: Int, lane: String) {
        var id = word
        var level = 1
        var lane = "g"
        if let colon = id.firstIndex(of: ":") {
            lane = String(id[id.index(after: colon)...])
            id = String(id[..<colon])
        }
        if let slash = id.firstIndex(of: "/") {
            level = Int(id[id.index(after: slash)...]) ?? 1
            id = String(id[..<slash])
        }
        return (id, String(id.prefix { $0.isLetter }), level, lane)
    }

    /// What a script of steps starts. `+a1` enters, `*a1` comes back, `-a1` is removed, `=a1` ends with 100 tokens,
    /// `!g` shuts a gate, `.g` opens it, `?` takes the next (`_` where there is none).
    private static func run(_ script: String, _ policy: FairnessPolicy) -> String {
        var line = Line(policy: policy)
        var shut: Set<String> = []
        var started: [String] = []
        for step in script.split(separator: " ") {
            let word = parse(String(step.dropFirst()))
            switch step.first {
            case "+":
                line.enter(word.id, id: word.id, customer: word.customer, priority: word.level, lane: word.lane)
            case "*":
                line.reenter(word.id, id: word.id, customer: word.customer, priority: word.level, lane: word.lane)
            case "-": line.remove(word.id)
            case "=": line.finished(word.id, tokens: 100)
            case "!": shut.insert(word.id)
            case ".": shut.remove(word.id)
            default: started.append(line.next { !shut.contains($0) } ?? "_")
            }
        }
        return started.joined(separator: " ")
    }

    @Test(arguments: [
        // One customer: in the order of arrival.
        ("+a1 +a2 +a3 ? ? ? ?", "a1 a2 a3 _"),
        // Turns.
        ("+a1 +a2 +a3 +b1 +b2 +c1 ? ? ? ? ? ?", "a1 b1 c1 a2 b2 a3"),
        // A newcomer comes before whoever had the last turn, and behind those who already waited.
        ("+a1 +a2 +a3 ? +b1 ? ?", "a1 b1 a2"),
        ("+a1 +a2 +c1 +c2 ? +b1 ? ? ?", "a1 c1 b1 a2"),
        // Newcomers that come one by one do not hold the others up.
        ("+a1 +a2 +a3 ? +b1 ? +c1 ? +d1 ? ? ?", "a1 b1 a2 c1 d1 a3"),
        // Levels are strict.
        ("+a1/2 +b1 +c1/0 +a2/0 +b2/2 ? ? ? ? ? ?", "c1 a2 b1 a1 b2 _"),
        // A level that does not exist is the nearest.
        ("+a1/9 +b1 +c1/-4 ? ? ?", "c1 b1 a1"),
        // Jobs behind an open gate pass those behind a shut one, and nobody else's place moves.
        ("+a1:h +a2:g +a3:h +b1:h !h ? ? .h ? ? ?", "a2 _ b1 a1 a3"),
        ("+a1:h +b1:g +a2:g +b2:g !h ? ? ? ?", "a2 b1 b2 _"),
        // A shut gate at a higher level does not stop the lower one.
        ("+a1/0:h +b1/1 !h ? .h ? ?", "b1 a1 _"),
        // Who comes back goes before what has never run, in the order of coming back, before other gates' jobs too.
        ("+a1 +a2 +a3 ? ? *a1 *a2 +a4 ? ? ? ?", "a1 a2 a1 a2 a3 a4"),
        ("+a1:g +a2:h +a3:g ? *a1:g ? ? ?", "a1 a1 a2 a3"),
        // Who comes back takes his place from nobody: it is still the other's turn.
        ("+a1 +a2 +b1 ? *a1 ? ? ?", "a1 b1 a1 a2"),
        // Removed.
        ("+a1 +a2 +a3 -a1 ? -a2 ? ?", "a2 a3 _"),
        ("+a1 +a2 -a2 -a1 -a1 +b1 +a2 ? ? ?", "b1 a2 _"),
        ("+a1 +a2 ? *a1 -a1 ? ?", "a1 a2 _"),
        // Twice the same: only the first counts. After its end it may come again.
        ("+a1 +a1 ? ? +a1 ? =a1 =a1 +a1 ? ?", "a1 _ _ a1 _"),
        ("? =a1 -a1 ?", "_ _"),
    ])
    func order(script: String, started: String) {
        #expect(Self.run(script, FairnessPolicy()) == started)
    }

    @Test(arguments: [
        // The default cap; b has a wider one, c none.
        ("+a1 +a2 +b1 +b2 +b3 +c1 +c2 +c3 +c4 ? ? ? ? ? ? ? ? =a1 ?", "a1 b1 c1 b2 c2 c3 c4 _ a2"),
        // A place given back may be taken at once.
        ("+a1 +a2 ? ? *a1 ? =a1 ?", "a1 _ a1 a2"),
        // Over all levels.
        ("+a1/0 +a2/1 +a3/2 ? ? =a1 ? ?", "a1 _ a2 _"),
        // Whoever is at the cap keeps the turn.
        ("+a1 +a2 +c1 +c2 +c3 ? ? ? =a1 ? ?", "a1 c1 c2 a2 c3"),
    ])
    func caps(script: String, started: String) {
        let policy = FairnessPolicy(
            customerConcurrency: 1,
            customers: ["b": .init(concurrency: 2), "c": .init(concurrency: 0), "d": .init(weight: 2)])
        #expect(Self.run(script, policy) == started)
    }

    @Test func capsOfThePolicy() {
        let policy = FairnessPolicy(customerConcurrency: 3, customers: ["b": .init(concurrency: 0), "c": .init()])
        #expect(policy.cap(of: "a") == 3 && policy.cap(of: "b") == .max && policy.cap(of: "c") == 3)
        #expect(FairnessPolicy().cap(of: "a") == .max && FairnessPolicy(customerConcurrency: 0).cap(of: "a") == .max)
        let odd = FairnessPolicy(customers: ["a": .init(weight: 0), "b": .init(weight: 5_000)])
        #expect(odd.weight(of: "a") == 1 && odd.weight(of: "b") == 1_000 && odd.weight(of: "c") == 1)
    }

    /// An overdrawn customer waits while another has credit, and does not wait where nobody else may start.
    @Test func expensiveJobsWait() {
        var line = Line(policy: FairnessPolicy())
        for index in 0..<20 {
            for customer in ["a", "b"] {
                line.enter("\(customer)\(index)", id: "\(customer)\(index)", customer: customer, priority: 1, lane: "g")
            }
        }
        #expect(line.next { _ in true } == "a0")
        line.finished("a0", tokens: 5_000)
        for index in 0..<8 { #expect(line.next { _ in true } == "b\(index)") }
        var others = line
        for index in 8..<20 { others.remove("b\(index)") }
        #expect(others.next { _ in true } == "a1")
    }

    /// A debt ends after a bounded number of rounds, and what it was is forgotten with an idle customer.
    @Test func debtsAreBoundedAndForgotten() {
        var line = Line(policy: FairnessPolicy())
        for index in 0..<3 { line.enter("a\(index)", id: "a\(index)", customer: "a", priority: 1, lane: "g") }
        for index in 0..<1_000 { line.enter("b\(index)", id: "b\(index)", customer: "b", priority: 1, lane: "g") }
        #expect(line.next { _ in true } == "a0")
        line.finished("a0", tokens: .max)
        var before = 0
        while let job = line.next(isOpen: { _ in true }), job != "a1" {
            line.finished(job, tokens: 1_024)
            before += 1
        }
        #expect(before > 10 && before <= 66)
        line.finished("a1", tokens: .max)
        line.remove("a2")
        line.enter("a3", id: "a3", customer: "a", priority: 1, lane: "g")
        let next = [line.next { _ in true }, line.next { _ in true }]
        #expect(next.contains("a3"))
    }

    /// Whoever waited behind a shut gate, or at a cap, has saved up no more than a newcomer has.
    @Test func creditIsNotSavedUp() {
        var line = Line(policy: FairnessPolicy())
        for index in 0..<200 {
            line.enter("a\(index)", id: "a\(index)", customer: "a", priority: 1, lane: "shut")
            line.enter("b\(index)", id: "b\(index)", customer: "b", priority: 1, lane: "g")
        }
        for _ in 0..<100 {
            guard let job = line.next(isOpen: { $0 == "g" }) else { break }
            line.finished(job, tokens: 1_000)
        }
        var started = ""
        for _ in 0..<40 {
            guard let job = line.next(isOpen: { _ in true }) else { break }
            started += job.prefix(1)
            line.finished(job, tokens: 1_000)
        }
        #expect(started.count == 40)
        #expect((18...22).contains(started.count { $0 == "a" }), "\(started)")
    }

    @Test func emptiesInOrder() {
        var line = Line(policy: FairnessPolicy())
        for word in ["a1/1", "b1/2", "c1/0", "a2/1", "b2/0", "a3/1"].map(Self.parse) {
            line.enter(word.id, id: word.id, customer: word.customer, priority: word.level, lane: word.lane)
        }
        #expect(line.next { _ in true } == "c1")
        #expect(line.counts(of: "a") == (3, 0) && line.counts(of: "c") == (0, 1) && line.counts(of: "x") == (0, 0))
        #expect(line.removeAll() == ["b2", "a1", "a2", "a3", "b1"])
        #expect(line.waitingCount == 0 && line.runningCount == 1 && line.activeCustomers.map(\.name) == ["c"])
        line.finished("c1", tokens: 1)
        #expect(line.activeCustomers.isEmpty && line.removeAll().isEmpty)
    }
}
