import ChatModel
import Gateway
import Testing

@testable import JobRunner

@Suite struct JobMachineTests {
    static func failure(
        _ stage: GatewayFailure.Stage = .upgrade, code: String = "gateway_unavailable", retryAfter: Duration? = nil,
        isRetryable: Bool = true
    ) -> GatewayFailure {
        GatewayFailure(stage: stage, code: code, message: "m", retryAfter: retryAfter, isRetryable: isRetryable)
    }

    static let policy = RetryPolicy(
        retries: 2, firstWait: .seconds(1), jitter: 0, longestInWorker: .seconds(5), longestWait: .seconds(60))

    static func machine(_ attempt: AttemptNumber = AttemptNumber()) -> JobMachine {
        JobMachine(attempt: attempt, policy: policy)
    }

    @Test func aGoodJob() {
        var machine = Self.machine()
        #expect(machine.begin() == .ask(restarts: false))
        #expect(machine.begin() == .nothing)
        machine.outputArrived()
        #expect(machine.streamEnded(.complete, chance: 0) == .complete(.completed))
        #expect(machine.receiptsConfirmed() == .acknowledge)
        #expect(machine.phase == .done)
        #expect(machine.receiptsConfirmed() == .nothing)
    }

    @Test func anEmptyAnswerIsAnAnswer() {
        var machine = Self.machine()
        _ = machine.begin()
        #expect(machine.streamEnded(.complete, chance: 0) == .complete(.completed))
    }

    @Test func retriesBeforeTheFirstOutput() {
        var machine = Self.machine()
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(Self.failure()), chance: 0) == .wait(.seconds(1)))
        #expect(machine.retryDue() == .ask(restarts: true))
        #expect(machine.attempt.value == 2)
        #expect(machine.streamEnded(.failed(Self.failure()), chance: 0) == .wait(.seconds(2)))
        #expect(machine.retryDue() == .ask(restarts: true))
        let last = Self.failure()
        #expect(machine.streamEnded(.failed(last), chance: 0) == .complete(.failed(JobFailure(last))))
        #expect(machine.tries == 3)
    }

    /// The numbers of a delivery are used up: the job goes on under its next life, which has more.
    @Test(arguments: 0...3)
    func whoHasNoNumberLeftIsHandedBack(how: Int) {
        var machine = Self.machine(AttemptNumber(tryNumber: AttemptNumber.lastTry - 2))
        #expect(machine.begin() == .ask(restarts: false))
        #expect(machine.fellBack() == .ask(restarts: true))
        #expect(machine.attempt.tryNumber == AttemptNumber.lastTry - 1)
        switch how {
        case 0: #expect(machine.fellBack() == .handBack)
        case 1:
            #expect(machine.foundNoGate() == .yield)
            #expect(machine.begin() == .handBack)
        case 2:
            #expect(machine.streamEnded(.failed(Self.failure()), chance: 0) == .wait(.seconds(1)))
            #expect(machine.retryDue() == .handBack)
        default:
            // A lost publish connection took the last number.
            _ = machine.attemptChanged(machine.attempt.next(), outcome: nil)
            #expect(machine.attempt.isLast && machine.attempt.next() == machine.attempt)
            #expect(machine.fellBack() == .handBack)
        }
        #expect(machine.receiptsConfirmed() == .acknowledge)
    }

    @Test func jitterOnlyAdds() {
        var policy = Self.policy
        policy.jitter = 0.25
        var machine = JobMachine(attempt: AttemptNumber(), policy: policy)
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(Self.failure()), chance: 1) == .wait(.milliseconds(1_250)))
    }

    @Test(arguments: [
        (failure(isRetryable: false), JobMachine.Action.complete(.failed(JobFailure(failure(isRetryable: false))))),
        (
            failure(retryAfter: .seconds(61)),
            .complete(.failed(JobFailure(failure(retryAfter: .seconds(61)))))
        ),
        (failure(retryAfter: .seconds(5)), .wait(.seconds(5))),
        (failure(retryAfter: .seconds(30)), .park(.seconds(30))),
        (failure(), .wait(.seconds(1))),
    ])
    func failuresBeforeTheFirstOutput(failure: GatewayFailure, expected: JobMachine.Action) {
        var machine = Self.machine()
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(failure), chance: 0) == expected)
        if case .park = expected {
            #expect(machine.isMoving)
            #expect(machine.receiptsConfirmed() == .acknowledge)
        }
    }

    /// What a job has used up is not forgotten while it waits in a queue.
    @Test func triesAreCountedOverParking() {
        let retryAfter = Self.failure(retryAfter: .seconds(30))
        var first = Self.machine()
        _ = first.begin()
        #expect(first.streamEnded(.failed(retryAfter), chance: 0) == .park(.seconds(30)))
        #expect(first.spent == JobMachine.Spent(tries: 1, failures: 1))
        var second = JobMachine(attempt: AttemptNumber(republishes: 1), spent: first.spent, policy: Self.policy)
        #expect(second.begin() == .ask(restarts: false))
        #expect(second.streamEnded(.failed(Self.failure()), chance: 0) == .wait(.seconds(2)), "its second failure")
        _ = second.retryDue()
        #expect(second.streamEnded(.failed(retryAfter), chance: 0) == .complete(.failed(JobFailure(retryAfter))))
        #expect(second.tries == 3)
    }

    /// If others are answered where it is refused, it is the job's own failure: counted, and at last not worth another try.
    @Test func aRateLimitOfItsOwn() {
        var limit = Self.failure(.upgrade, code: "gateway_rate_limited")
        var machine = Self.machine()
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(limit), chance: 0) == .yield, "the first concerns all")
        limit.concernsJobAlone = true
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(limit), chance: 0) == .wait(.seconds(1)))
        _ = machine.retryDue()
        #expect(machine.streamEnded(.failed(limit), chance: 0) == .wait(.seconds(2)))
        _ = machine.retryDue()
        var end = JobFailure(limit)
        end.isRetryable = false
        #expect(machine.streamEnded(.failed(limit), chance: 0) == .complete(.failed(end)))
        #expect(end.code == "gateway_rate_limited" && machine.spent.failures == 3)
        limit.retryAfter = .seconds(61)
        var impatient = Self.machine()
        _ = impatient.begin()
        end = JobFailure(limit)
        end.isRetryable = false
        #expect(impatient.streamEnded(.failed(limit), chance: 0) == .complete(.failed(end)), "it asks for too much")
    }

    @Test func aRateLimitCostsNoTry() {
        let limit = Self.failure(.upgrade, code: "gateway_rate_limited", retryAfter: .seconds(3))
        var machine = Self.machine()
        for round in 1...10 {
            #expect(machine.begin() == .ask(restarts: round > 1))
            #expect(
                machine.streamEnded(.failed(limit), chance: 0, age: .seconds(40)) == .yield)
            #expect(machine.phase == .waiting)
        }
        #expect(machine.spent == JobMachine.Spent(tries: 10, failures: 0))
        _ = machine.begin()
        #expect(
            machine.streamEnded(.failed(limit), chance: 0, age: .seconds(58)) == .complete(.failed(JobFailure(limit))),
            "patience has an end")
        var draining = Self.machine()
        _ = draining.begin()
        _ = draining.drainBegan()
        #expect(draining.streamEnded(.failed(limit), chance: 0) == .handBack)
    }

    @Test func afterTheFirstOutputItFails() {
        var machine = Self.machine()
        _ = machine.begin()
        machine.outputArrived()
        let failure = Self.failure(.streaming)
        #expect(machine.streamEnded(.failed(failure), chance: 0) == .complete(.failed(JobFailure(failure))))
    }

    @Test func afterTheFirstOutputItRestartsWhereTheConfigSaysSo() {
        var policy = Self.policy
        policy.afterFirstToken = .restart
        var machine = JobMachine(attempt: AttemptNumber(), policy: policy)
        for (wait, attempt) in [(1, 2), (2, 3)] {
            _ = attempt == 2 ? machine.begin() : .nothing
            machine.outputArrived()
            #expect(machine.streamEnded(.failed(Self.failure(.streaming)), chance: 0) == .wait(.seconds(wait)))
            #expect(machine.retryDue() == .ask(restarts: true))
            #expect(machine.attempt.value == Int64(attempt))
        }
        machine.outputArrived()
        let last = Self.failure(.streaming)
        #expect(machine.streamEnded(.failed(last), chance: 0) == .complete(.failed(JobFailure(last))))
        var patient = JobMachine(attempt: AttemptNumber(), policy: policy)
        _ = patient.begin()
        patient.outputArrived()
        let later = Self.failure(.streaming, retryAfter: .seconds(30))
        #expect(
            patient.streamEnded(.failed(later), chance: 0) == .complete(.failed(JobFailure(later))),
            "text that was paid for is not moved to a queue")
    }

    static let phases = ["waiting", "connecting", "streaming", "backing off", "completing", "done"]

    /// A machine in the phase of this name.
    static func machine(in phase: String) -> JobMachine {
        var machine = Self.machine()
        guard phase != "waiting" else { return machine }
        _ = machine.begin()
        switch phase {
        case "streaming": machine.outputArrived()
        case "backing off": _ = machine.streamEnded(.failed(failure()), chance: 0)
        case "completing", "done":
            _ = machine.streamEnded(.complete, chance: 0)
            if phase == "done" { _ = machine.receiptsConfirmed() }
        default: break
        }
        return machine
    }

    @Test(arguments: phases) func aCancelEndsWhatHasNotEnded(phase: String) {
        var machine = Self.machine(in: phase)
        let failure = JobFailure.cancelled(at: .streaming)
        let expected: JobMachine.Action =
            switch phase {
            case "waiting", "backing off": .complete(.failed(failure))
            case "connecting", "streaming": .cutAndComplete(.failed(failure))
            default: .nothing
            }
        #expect(machine.cancelled(failure) == expected)
        #expect(machine.cancelled(failure) == .nothing, "twice is harmless")
        #expect(machine.streamEnded(.cancelled, chance: 0) == .nothing)
        #expect(machine.retryDue() == .nothing)
        #expect(machine.begin() == .nothing)
        if phase != "done" { #expect(machine.receiptsConfirmed() == .acknowledge) }
    }

    @Test(arguments: phases) func anEndThatSomebodyElseToldIsNotToldAgain(phase: String) {
        var machine = Self.machine(in: phase)
        let isOpen = phase != "completing" && phase != "done"
        #expect(machine.finishedElsewhere() == (isOpen ? .acknowledge : .nothing))
        var lost = Self.machine(in: phase)
        _ = lost.deliveryLost()
        // Without a delivery there is nothing to ack.
        #expect(lost.finishedElsewhere() == (phase == "connecting" || phase == "streaming" ? .abandon : .nothing))
    }

    @Test func anEndThatWasTakenBackWaitsForItsDelivery() {
        var machine = Self.machine(in: "completing")
        #expect(machine.deliveryLost(outcome: .completed, wasRecalled: true) == .nothing)
        #expect(machine.receiptsConfirmed() == .nothing)
        #expect(machine.deliveryAdopted() == .complete(.completed))
        #expect(machine.receiptsConfirmed() == .acknowledge)
    }

    @Test func whatWasMovedIsNotAdopted() {
        var machine = Self.machine(in: "waiting")
        #expect(machine.waitExpired(.seconds(30)) == .park(.seconds(30)))
        #expect(machine.deliveryLost() == .nothing, "its copy is on its way")
        #expect(machine.receiptsConfirmed() == .abandon)
    }

    @Test func timeLimits() {
        var waiting = Self.machine()
        #expect(waiting.timeExpired(.deadlineExceeded) == .complete(.failed(.deadlineExceeded)))
        var running = Self.machine()
        _ = running.begin()
        #expect(running.timeExpired(.totalTimeout) == .cutAndComplete(.failed(.totalTimeout)))
        #expect(running.streamEnded(.cancelled, chance: 0) == .nothing)
        #expect(running.timeExpired(.totalTimeout) == .nothing)
        var backingOff = Self.machine()
        _ = backingOff.begin()
        _ = backingOff.streamEnded(.failed(Self.failure()), chance: 0)
        #expect(backingOff.timeExpired(.totalTimeout) == .complete(.failed(.totalTimeout)))
        #expect(backingOff.retryDue() == .nothing)
    }

    @Test func drain() {
        var waiting = Self.machine()
        #expect(waiting.drainBegan() == .handBack)
        #expect(waiting.begin() == .nothing)
        #expect(waiting.receiptsConfirmed() == .acknowledge)
        var running = Self.machine()
        _ = running.begin()
        #expect(running.drainBegan() == .nothing)
        running.outputArrived()
        #expect(running.drainExpired() == .handBack)
        #expect(running.streamEnded(.cancelled, chance: 0) == .nothing)
        #expect(running.receiptsConfirmed() == .acknowledge)
        var failing = Self.machine()
        _ = failing.begin()
        _ = failing.drainBegan()
        #expect(failing.streamEnded(.failed(Self.failure()), chance: 0) == .handBack, "no new wait while draining")
        var completing = Self.machine()
        _ = completing.begin()
        _ = completing.streamEnded(.complete, chance: 0)
        #expect(completing.drainExpired() == .nothing)
    }

    @Test func withoutADeliveryThereIsNoTerminal() {
        var machine = Self.machine()
        _ = machine.begin()
        machine.outputArrived()
        #expect(machine.deliveryLost() == .nothing)
        #expect(machine.streamEnded(.complete, chance: 0) == .nothing, "held")
        #expect(machine.deliveryAdopted() == .complete(.completed))
        #expect(machine.receiptsConfirmed() == .acknowledge)
    }

    @Test func aLimitCutsAndHolds() {
        var machine = Self.machine()
        _ = machine.begin()
        _ = machine.deliveryLost()
        #expect(machine.timeExpired(.totalTimeout) == .cut)
        #expect(machine.deliveryAdopted() == .complete(.failed(.totalTimeout)))
    }

    @Test func anAckWaitsForTheDelivery() {
        var machine = Self.machine()
        _ = machine.begin()
        _ = machine.streamEnded(.complete, chance: 0)
        #expect(machine.deliveryLost() == .nothing)
        #expect(machine.receiptsConfirmed() == .nothing)
        #expect(machine.deliveryAdopted() == .acknowledge)
    }

    @Test func whatCostNothingIsDroppedWithItsDelivery() {
        var machine = Self.machine()
        #expect(machine.deliveryLost() == .abandon)
        #expect(machine.phase == .done)
        var elsewhere = Self.machine()
        _ = elsewhere.begin()
        _ = elsewhere.deliveryLost()
        #expect(elsewhere.claimedElsewhere() == .abandon)
        #expect(elsewhere.streamEnded(.complete, chance: 0) == .nothing)
        #expect(elsewhere.claimedElsewhere() == .nothing)
    }

    @Test func aChangedAttemptMakesTheEndAnew() {
        var machine = Self.machine()
        _ = machine.begin()
        _ = machine.streamEnded(.complete, chance: 0)
        #expect(machine.attemptChanged(AttemptNumber(tryNumber: 2), outcome: .completed) == .complete(.completed))
        _ = machine.deliveryLost()
        #expect(machine.attemptChanged(AttemptNumber(tryNumber: 3), outcome: .completed) == .nothing, "held")
        #expect(machine.deliveryAdopted() == .complete(.completed))
        #expect(machine.receiptsConfirmed() == .acknowledge)
        #expect(machine.attemptChanged(AttemptNumber(tryNumber: 4), outcome: .completed) == .nothing, "it is over")
    }

    @Test func aDrainLeavesAJobThatIsBackOnItsQueueAlready() {
        var machine = Self.machine()
        _ = machine.begin()
        machine.outputArrived()
        _ = machine.deliveryLost()
        #expect(machine.drainExpired() == .abandon)
        #expect(machine.phase == .done)
    }

    /// It does not consume again, so nothing can be adopted.
    @Test func aDrainDoesNotOutliveItsConnection() {
        for phase in Self.phases {
            var machine = Self.machine(in: phase)
            _ = machine.drainBegan()
            let isMoving = machine.isMoving
            let expected: JobMachine.Action = phase == "completing" || phase == "done" || isMoving ? .nothing : .abandon
            #expect(machine.deliveryLost() == expected, "\(phase)")
            if phase == "completing" || isMoving { #expect(machine.receiptsConfirmed() == .abandon, "\(phase)") }
        }
        var recalled = Self.machine(in: "completing")
        _ = recalled.drainBegan()
        #expect(recalled.deliveryLost(outcome: .completed, wasRecalled: true) == .abandon)
    }

    @Test func aWaitHasALimit() {
        var waiting = Self.machine()
        #expect(waiting.waitExpired(.seconds(30)) == .park(.seconds(30)))
        var running = Self.machine()
        _ = running.begin()
        #expect(running.waitExpired(.seconds(30)) == .nothing)
        var draining = Self.machine()
        _ = draining.begin()
        _ = draining.drainBegan()
        #expect(draining.waitExpired(.seconds(30)) == .nothing)
    }

    @Test func attemptsOnlyGrow() {
        var machine = Self.machine(AttemptNumber(deliveryCount: 2))
        #expect(machine.attemptChanged(AttemptNumber(deliveryCount: 2, tryNumber: 4), outcome: nil) == .nothing)
        #expect(machine.attemptChanged(AttemptNumber(deliveryCount: 1), outcome: nil) == .nothing)
        #expect(machine.attempt == AttemptNumber(deliveryCount: 2, tryNumber: 4))
    }
}
