import Testing

@testable import JobRunner

@Suite struct ReceiptCounterTests {
    /// What happens to a counter, in words: `e3` sends an end of three messages, `w2` two earlier events; then the receipts,
    /// `+` arrived, `r` refused, `u` unroutable, `x` not published; in capitals or `#` those of earlier events.
    static func run(_ script: String) -> [ReceiptCounter.Verdict] {
        var counter = ReceiptCounter()
        var verdicts: [ReceiptCounter.Verdict] = []
        for word in script.split(separator: " ") {
            switch word.first {
            case "e": verdicts.append(counter.sentEnd(Int(word.dropFirst()) ?? 0))
            case "w": counter.sentEarlier(Int(word.dropFirst()) ?? 0)
            case "+": verdicts.append(counter.settled(.end, .confirmed))
            case "r": verdicts.append(counter.settled(.end, .refused))
            case "u": verdicts.append(counter.settled(.end, .unroutable))
            case "x": verdicts.append(counter.settled(.end, .void))
            case "#": verdicts.append(counter.settled(.earlier, .confirmed))
            case "X": verdicts.append(counter.settled(.earlier, .void))
            default: Issue.record("what is \(word)?")
            }
        }
        return verdicts
    }

    @Test(
        arguments: [
            ("e1 +", [.waiting, .finished]),
            ("e3 + u r", [.waiting, .waiting, .waiting, .finished]),
            ("e0", [.finished]),
            // An earlier attempt's usage event is awaited, whichever comes first.
            ("w1 e1 + #", [.waiting, .waiting, .finished]),
            ("w1 e1 # +", [.waiting, .waiting, .finished]),
            ("w1 #", [.waiting]),
            // Once.
            ("e1 + w1 #", [.waiting, .finished, .waiting]),
            // Made anew, it counts anew.
            ("e2 + e1 +", [.waiting, .waiting, .waiting, .finished]),
        ] as [(String, [ReceiptCounter.Verdict])])
    func countsToTheLast(_ script: String, _ expected: [ReceiptCounter.Verdict]) {
        #expect(Self.run(script) == expected, "\(script)")
    }

    /// One message that was not published: never finished, whatever comes before it or after it.
    @Test(arguments: [
        "e1 x", "e2 x +", "e2 + x", "e3 + x +", "e3 x r u", "w1 e1 x #", "w1 e1 # x", "w2 e2 # x # +", "w1 e1 X +",
    ])
    func oneVoidMeansNotFinished(_ script: String) {
        let verdicts = Self.run(script)
        #expect(!verdicts.contains(.finished) && verdicts.last == .notFinished, "\(script): \(verdicts)")
    }

    @Test func isEmptyWhenNothingIsOut() {
        var counter = ReceiptCounter()
        #expect(counter.isEmpty)
        _ = counter.sentEnd(2)
        _ = counter.settled(.end, .void)
        #expect(!counter.isEmpty)
        _ = counter.settled(.end, .confirmed)
        #expect(counter.isEmpty)
    }
}
