import ChaosKit
import Testing

/// Each promise is broken once on purpose, and found; what is allowed is let pass.
struct TotalCheckerTests {
    private typealias Kind = Violation.Kind

    private static let text = "Streaming sends every piece. 답변"

    /// An answer of attempt `attempt`: two chunks and a terminal.
    private static func answer(
        _ attempt: Int64 = 1, run: String? = nil, at time: Double = 1, text: String = text
    ) -> [ReplySeen] {
        let (head, tail) = (String(text.prefix(10)), String(text.dropFirst(10)))
        let run = run ?? "run-\(attempt)"
        return [
            ReplySeen(at: time, kind: .chunk, attempt: attempt, run: run, sequence: 0, offset: 0, text: head),
            ReplySeen(
                at: time + 0.1, kind: .chunk, attempt: attempt, run: run, sequence: 1,
                offset: Int64(head.utf8.count), text: tail),
            ReplySeen(
                at: time + 0.2, kind: .completion, attempt: attempt, run: run, sequence: 2,
                offset: Int64(text.utf8.count), text: text),
        ]
    }

    private static func webhook(_ attempt: Int64 = 1, id: String = "msg_1", at time: Double = 2) -> WebhookSeen {
        WebhookSeen(at: time, id: id, isVerified: true, attempt: attempt)
    }

    /// One job that went well, then changed by `change`.
    private static func history(_ change: (inout JobRecord, inout History) -> Void = { _, _ in }) -> History {
        var job = JobRecord(id: "job-1", customer: "acme", publishedAt: 0, text: text)
        job.replies = answer()
        job.webhooks = [webhook()]
        var history = History()
        history.transcript = ["job-1": [GatewayAnswer(isComplete: true, text: text)]]
        change(&job, &history)
        history.jobs[job.id] = job
        return history
    }

    private static func kinds(_ history: History) -> [Kind] {
        TotalChecker(history).check().violations.map(\.kind)
    }

    @Test func aGoodRunHasNoViolation() {
        let verdict = TotalChecker(Self.history()).check()
        #expect(verdict.violations.isEmpty)
        #expect(verdict.counts.confirmed == 1 && verdict.counts.completed == 1)
    }

    // MARK: Lost

    @Test func aLostTerminalIsFound() {
        #expect(Self.kinds(Self.history { job, _ in job.replies.removeLast() }) == [.lostTerminal])
        #expect(
            Self.kinds(Self.history { job, _ in (job.replies, job.webhooks) = ([], []) }) == [
                .lostTerminal, .lostWebhook,
            ])
    }

    @Test func aLostWebhookIsFound() {
        #expect(Self.kinds(Self.history { job, _ in job.webhooks = [] }) == [.lostWebhook])
    }

    /// The job ended twice, and the endpoint heard of the first end only.
    @Test func aWebhookOfAnEarlierTerminalIsNotEnough() {
        let history = Self.history { job, history in
            job.replies += Self.answer(1_001, at: 3)
            history.disturbances = [Disturbance(.crash, from: 1.5, to: 1.5)]
        }
        #expect(Self.kinds(history) == [.lostWebhook])
    }

    @Test func anUnconfirmedJobMayBeAbsentButNotHalf() {
        let absent = Self.history { job, _ in
            job.certainty = .uncertain
            (job.replies, job.webhooks) = ([], [])
        }
        #expect(Self.kinds(absent).isEmpty)
        #expect(TotalChecker(absent).check().counts.uncertainAbsent == 1)
        let half = Self.history { job, _ in
            job.certainty = .uncertain
            job.replies.removeLast()
            job.webhooks = []
        }
        #expect(Self.kinds(half) == [.lostTerminal])
        let recovered = Self.history { job, _ in job.certainty = .uncertain }
        #expect(Self.kinds(recovered).isEmpty)
        #expect(TotalChecker(recovered).check().counts.recovered == 1)
    }

    @Test func aRefusedJobHasAReplyAndADeadLetter() {
        func refused(_ change: (inout History) -> Void) -> History {
            Self.history { job, history in
                job.wish = .refusal
                job.webhooks = []
                job.replies = [
                    ReplySeen(
                        at: 1, kind: .error, attempt: 1, run: "r", sequence: 0, offset: 0, code: "invalid_job")
                ]
                change(&history)
            }
        }
        #expect(Self.kinds(refused { $0.deadLetters = ["job-1": "invalid_job: n"] }).isEmpty)
        #expect(Self.kinds(refused { _ in }) == [.lostDeadLetter])
    }

    // MARK: Twice

    @Test func aSecondTerminalNeedsACrash() {
        func twice(_ effect: Disturbance.Effect?, at time: Double = 1.5) -> [Kind] {
            Self.kinds(
                Self.history { job, history in
                    job.replies += Self.answer(1_001, at: 3)
                    job.webhooks.append(Self.webhook(1_001, at: 4))
                    if let effect { history.disturbances = [Disturbance(effect, from: time, to: time)] }
                })
        }
        #expect(twice(.crash).isEmpty)
        #expect(twice(nil) == [.secondTerminal, .webhookRepeatedWithoutCause])
        #expect(twice(.connectionLost) == [.secondTerminal], "a lost connection is no crash")
        #expect(twice(.crash, at: 3.1) == [.secondTerminal], "the second attempt had begun before")
        #expect(twice(.crash, at: 10) == [.secondTerminal, .webhookRepeatedWithoutCause], "a crash that came later")
    }

    @Test func oneCrashAllowsOneMore() {
        func thrice(crashes: [Double]) -> [Kind] {
            Self.kinds(
                Self.history { job, history in
                    job.replies += Self.answer(1_001, at: 3) + Self.answer(2_001, at: 5)
                    job.webhooks.append(Self.webhook(2_001, at: 6))
                    history.disturbances = crashes.map { Disturbance(.crash, from: $0, to: $0) }
                })
        }
        #expect(thrice(crashes: [1.5]) == [.tooManyTerminals])
        #expect(thrice(crashes: [1.5, 3.5]).isEmpty)
    }

    @Test(arguments: [("same", 1_001 as Int64), ("lower", 1_000)])
    func aSecondTerminalNeedsAHigherAttempt(_: String, attempt: Int64) {
        let history = Self.history { job, history in
            job.replies = Self.answer(1_001) + Self.answer(attempt, run: "other", at: 3)
            job.webhooks = [Self.webhook(1_001)]
            history.disturbances = [Disturbance(.crash, from: 1.5, to: 1.5)]
        }
        #expect(Self.kinds(history) == [.attemptNotHigher])
    }

    @Test func whatComesTwiceNeedsALostConnection() {
        let replies = Self.history { job, _ in job.repeatedReplies = 1 }
        #expect(Self.kinds(replies) == [.repeatedWithoutCause])
        let webhooks = Self.history { job, _ in job.webhooks.append(Self.webhook(at: 3)) }
        #expect(Self.kinds(webhooks) == [.webhookRepeatedWithoutCause])
        let excused = Self.history { job, history in
            job.repeatedReplies = 1
            job.webhooks.append(Self.webhook(at: 3))
            history.disturbances = [Disturbance(.connectionLost, from: 1, to: 2)]
        }
        #expect(Self.kinds(excused).isEmpty)
    }

    // MARK: Webhooks

    @Test func webhookIDsBelongToJobs() {
        let two = Self.history { job, history in
            job.webhooks.append(Self.webhook(1, id: "msg_2", at: 3))
            history.disturbances = [Disturbance(.connectionLost, from: 1, to: 2)]
        }
        #expect(Self.kinds(two) == [.webhookID])
        let shared = Self.history { _, history in
            var other = JobRecord(id: "job-2", customer: "acme", publishedAt: 0, text: Self.text)
            other.replies = Self.answer()
            other.webhooks = [Self.webhook()]
            history.jobs["job-2"] = other
            history.transcript["job-2"] = history.transcript["job-1"]
        }
        #expect(Self.kinds(shared) == [.webhookID])
    }

    @Test func aWebhookIsSignedAndSaysWhatTheReplySaid() {
        #expect(Self.kinds(Self.history { job, _ in job.webhooks[0].isVerified = false }) == [.webhookSignature])
        #expect(Self.kinds(Self.history { job, _ in job.webhooks[0].digest = "ab" }) == [.webhookDiffers])
    }

    // MARK: Chunks

    @Test func aGapIsFound() {
        #expect(Self.kinds(Self.history { job, _ in job.replies.remove(at: 1) }) == [.gap])
        #expect(Self.kinds(Self.history { job, _ in job.replies.remove(at: 0) }) == [.gap])
    }

    /// Only where the broker stopped, and only on a queue that does not keep what is not persistent.
    @Test(arguments: [(true, true, false), (false, false, false), (false, true, true)])
    func aGapCanBeExcused(isDurable: Bool, stopped: Bool, isExcused: Bool) {
        let history = Self.history { job, history in
            job.hasDurableReplies = isDurable
            job.replies.remove(at: 1)
            if stopped { history.disturbances = [Disturbance(.brokerStopped, from: 1, to: 2)] }
        }
        #expect(Self.kinds(history) == (isExcused ? [] : [.gap]))
        #expect(TotalChecker(history).check().counts.healedGaps == (isExcused ? 1 : 0))
    }

    /// Gaps of an attempt that did not win, or of another run with the same number, are nobody's business.
    @Test func onlyTheWinningAttemptIsJudged() {
        let history = Self.history { job, history in
            job.replies = [Self.answer(1)[1]] + Self.answer(1_001) + [Self.answer(1_001, run: "other", at: 5)[0]]
            job.webhooks = [Self.webhook(1_001)]
            history.disturbances = [Disturbance(.crash, from: 1, to: 1)]
        }
        #expect(Self.kinds(history).isEmpty)
    }

    @Test func chunksAreTheTextOfTheTerminal() {
        #expect(
            Self.kinds(Self.history { job, _ in job.replies[1].text = String(repeating: "x", count: 30) }) == [
                .wrongOffset, .chunksDiffer,
            ])
        #expect(Self.kinds(Self.history { job, _ in job.replies[1].offset = 3 }) == [.wrongOffset])
        #expect(Self.kinds(Self.history { job, _ in job.replies[2].digest = "ab" }) == [.wrongDigest, .webhookDiffers])
        let late = Self.history { job, _ in
            var chunk = job.replies[1]
            (chunk.sequence, chunk.at) = (3, 2)
            job.replies.append(chunk)
        }
        #expect(Self.kinds(late).contains(.afterTheEnd))
    }

    @Test func theTerminalIsWhatTheGatewaySaid() {
        let other = Self.history { job, _ in job.replies = Self.answer(text: "Something else entirely.") }
        #expect(Self.kinds(other) == [.gatewayDiffers])
        let unwritten = Self.history { _, history in history.transcript = [:] }
        #expect(Self.kinds(unwritten) == [.gatewayDiffers])
        let killed = Self.history { _, history in
            history.transcript = [:]
            history.disturbances = [Disturbance(.gatewayFailing, from: 1, to: 2)]
        }
        #expect(Self.kinds(killed).isEmpty, "a gateway that was killed has not written its last line")
    }

    @Test func aFailureNeedsACause() {
        func failed(_ code: String, wish: JobRecord.Wish = .answer, cause: Bool) -> [Kind] {
            Self.kinds(
                Self.history { job, history in
                    job.wish = wish
                    job.replies[2].kind = .error
                    job.replies[2].code = code
                    if cause { history.disturbances = [Disturbance(.gatewayFailing, from: 0.5, to: 2)] }
                })
        }
        #expect(failed("gateway_closed", cause: false) == [.failedWithoutCause])
        #expect(failed("gateway_closed", cause: true).isEmpty)
        #expect(failed("gateway_closed", wish: .brokenAnswer, cause: false).isEmpty)
        #expect(failed("delivery_limit", cause: true) == [.failedWithoutCause])
    }

    // MARK: Strangers, and what is left

    @Test func whatNobodyAskedForIsFound() {
        #expect(Self.kinds(Self.history { _, history in history.strangers = ["a reply to job-9"] }) == [.unexpected])
        #expect(Self.kinds(Self.history { _, history in history.deadLetters = ["job-9": "?"] }) == [.unexpected])
        #expect(
            Self.kinds(Self.history { _, history in history.deadLetters = ["job-1": "delivery_limit: 50"] }) == [
                .deadLettered
            ])
    }

    @Test func aMessageThatIsLeftIsFound() {
        let history = Self.history { _, history in history.leftovers = ["chat.jobs": 0, "chat.jobs.suspect": 2] }
        #expect(TotalChecker(history).check().violations == [Violation(.leftOver, "2 in chat.jobs.suspect")])
    }
}
