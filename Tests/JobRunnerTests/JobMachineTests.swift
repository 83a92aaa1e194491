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

    static let policy = JobMachine.Policy(retries: 2, firstWait: .seconds(1), longestWait: .seconds(60), jitter: 0)

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

    @Test func jitterOnlyAdds() {
        var policy = Self.policy
        policy.jitter = 0.25
        var machine = JobMachine(attempt: AttemptNumber(), policy: policy)
        _ = machine.begin()
        #expect(machine.streamEnded(.failed(Self.failure()), chance: 1) == .wait(.milliseconds(1_250)))
    }

    @Test(arguments: [
        (failure(isRetryable: false), true), (failure(retryAfter: .seconds(61)), true),
        (failure(retryAfter: .seconds(30)), false),
    ])
    func whatIsNotTriedAgain(failure: GatewayFailure, ends: Bool) {
        var machine = Self.machine()
        _ = machine.begin()
        let action = machine.streamEnded(.failed(failure), chance: 0)
        #expect(action == (ends ? .complete(.failed(JobFailure(failure))) : .wait(.seconds(30))))
    }

    @Test func afterTheFirstOutputItFails() {
        var machine = Self.machine()
        _ = machine.begin()
        machine.outputArrived()
        let failure = Self.failure(.streaming)
        #expect(machine.streamEnded(.failed(failure), chance: 0) == .complete(.failed(JobFailure(failure))))
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

    @Test func aWaitHasALimit() {
        var waiting = Self.machine()
        #expect(waiting.waitExpired() == .handBack)
        var running = Self.machine()
        _ = running.begin()
        #expect(running.waitExpired() == .nothing)
    }

    @Test func attemptsOnlyGrow() {
        var machine = Self.machine(AttemptNumber(deliveryCount: 2))
        #expect(machine.attemptChanged(AttemptNumber(deliveryCount: 2, tryNumber: 4), outcome: nil) == .nothing)
        #expect(machine.attemptChanged(AttemptNumber(deliveryCount: 1), outcome: nil) == .nothing)
        #expect(machine.attempt == AttemptNumber(deliveryCount: 2, tryNumber: 4))
    }
}
