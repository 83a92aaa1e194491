import Testing

@testable import Webhooks

@Suite struct AnswerOrderTests {
    enum Part {
        case request, body, end
        case head(Int?)
    }

    /// What becomes of each part: `p`assed, `d`ropped, `r`efused.
    private static func verdicts(_ parts: [Part]) -> String {
        var order = AnswerOrder()
        var text = ""
        for part in parts {
            let verdict: AnswerOrder.Verdict
            switch part {
            case .request:
                order.requestBegan()
                continue
            case .head(let status): verdict = order.head(status: status)
            case .body: verdict = order.body()
            case .end: verdict = order.end()
            }
            switch verdict {
            case .pass: text += "p"
            case .drop: text += "d"
            case .refuse: text += "r"
            }
        }
        return text
    }

    @Test(
        arguments: [
            ([.request, .head(200), .body, .end], "ppp"),
            ([.request, .head(100), .head(103), .head(999), .end, .request, .head(204), .end], "ddpppp"),
            // No status of an answer: after it nothing counts, whatever is asked.
            ([.request, .head(0), .end, .head(200)], "rdd"), ([.request, .head(1), .body, .end], "rdd"),
            ([.request, .head(99), .end, .request, .head(200), .body, .end], "rdddd"),
            ([.request, .head(-1)], "r"), ([.request, .head(1_000)], "r"), ([.request, .head(nil)], "r"),
            ([.request, .head(101), .head(200)], "rd"),
            // Out of order.
            ([.head(200)], "r"), ([.request, .head(200), .head(200)], "pr"), ([.request, .body], "r"),
            ([.request, .end], "r"), ([.request, .head(100), .end], "dr"),
            ([.request, .head(200), .end, .head(200)], "ppr"), ([.request, .head(200), .end, .body], "ppr"),
        ] as [([Part], String)])
    func letsThroughAnswersInOrder(parts: [Part], verdicts: String) {
        #expect(Self.verdicts(parts) == verdicts)
    }

    @Test func boundsInterimAnswers() {
        let flood = [Part](repeating: .head(103), count: AnswerOrder.mostInterim + 1)
        #expect(Self.verdicts([.request] + flood).hasSuffix("dr"))
    }

    @Test(arguments: [("200", 200), ("099", 99), ("", nil), ("-1", nil), ("+20", nil), ("2000", nil), ("2 0", nil)])
    func readsStatusesOfThreeDigits(text: String, status: Int?) {
        #expect(HTTP2AnswerGuard.status(text) == status)
    }

    @Test func knowsWhenNothingCame() {
        var order = AnswerOrder()
        #expect(!order.isUnanswered)
        order.requestBegan()
        #expect(order.isUnanswered)
        _ = order.head(status: 100)
        #expect(!order.isUnanswered)
        _ = order.head(status: 200)
        _ = order.end()
        order.requestBegan()
        #expect(order.isUnanswered && order.requests == 2)
    }
}
