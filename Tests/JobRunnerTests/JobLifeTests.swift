import AMQP
import ChatModel
import Gateway
import Testing

@testable import JobRunner

/// A job's message over many lives: what each of them is numbered, and what it carries on.
@Suite struct JobLifeTests {
    /// What can happen to a job that runs.
    enum Event: CaseIterable {
        case retry, publisherLost, crash, handBack, park, deadAndReplay
    }

    /// One message on the broker, and the machine of the worker that has it.
    struct Life {
        static let worker = "worker"
        var properties: MessageProperties
        var deliveryCount = 0
        var machine: JobMachine
        var seen: [Int64] = []

        init() {
            properties = MessageProperties(headers: ["x-customer": .string("acme")], messageID: "j", userID: "backend")
            machine = JobMachine(attempt: AttemptNumber(), policy: RetryPolicy(retries: 100))
            begin()
        }

        var delivery: Delivery {
            var properties = properties
            if deliveryCount > 0 { properties.headers["x-delivery-count"] = .int(Int64(deliveryCount)) }
            return Delivery(
                tag: DeliveryTag(generation: 1, value: 1), queue: "chat.jobs", redelivered: deliveryCount > 0,
                exchange: "", routingKey: "chat.jobs", properties: properties, body: [1])
        }

        mutating func begin() {
            let parked = ParkedState(of: delivery, workerUser: Self.worker, now: 1)
            machine = JobMachine(
                attempt: Republication.attempt(of: delivery, workerUser: Self.worker), spent: parked.spent,
                policy: RetryPolicy(retries: 100))
            _ = machine.begin()
            seen.append(machine.attempt.value)
        }

        mutating func republish(_ notes: FieldTable) {
            properties = Republication.properties(
                of: delivery, customer: "acme", workerUser: Self.worker, adding: notes)
            deliveryCount = 0
        }

        mutating func happen(_ event: Event) {
            switch event {
            case .retry:
                let failure = JobMachineTests.failure()
                // Long waits are spent in a queue; here every wait is taken as over.
                if case .park = machine.streamEnded(.failed(failure), chance: 0) {
                    return happen(.park)
                }
                _ = machine.retryDue()
                seen.append(machine.attempt.value)
            case .publisherLost:
                _ = machine.attemptChanged(machine.attempt.next(), outcome: nil)
                seen.append(machine.attempt.value)
            case .crash:
                deliveryCount += 1
                begin()
            case .handBack, .park:
                var parked = ParkedState(of: delivery, workerUser: Self.worker, now: 1)
                parked.spent = machine.spent
                republish(parked.headers)
                begin()
            case .deadAndReplay:
                republish(["x-reason": .string("why")])
                republish([:])
                begin()
            }
        }
    }

    /// Every order of six events: an attempt's number only grows.
    @Test func attemptsOnlyGrowInEveryOrder() {
        var checked = 0
        func walk(_ life: Life, _ depth: Int) {
            #expect(zip(life.seen, life.seen.dropFirst()).allSatisfy(<))
            checked += 1
            guard depth < 6 else { return }
            for event in Event.allCases {
                var next = life
                next.happen(event)
                walk(next, depth + 1)
            }
        }
        walk(Life(), 0)
        #expect(checked == (0...6).reduce(0) { sum, depth in sum + (0..<depth).reduce(1) { power, _ in power * 6 } })
    }

    @Test func whatWasSpentIsCarriedOnAndAReplayStartsAnew() {
        var life = Life()
        life.happen(.retry)
        life.happen(.park)
        #expect(life.machine.tries == 3 && life.machine.spent.failures == 1)
        life.happen(.deadAndReplay)
        #expect(life.machine.tries == 1 && life.machine.spent.failures == 0)
    }

    @Test func aBackendCannotForgeWhatWasSpent() {
        let forged = RepublicationTests.delivery(
            [
                "x-tries": .int(50), "x-failed-tries": .int(50), "x-not-before": .int(.max),
                "x-wait-left": .int(.max), "x-origin-queue": .string("q"),
            ],
            userID: "backend")
        #expect(ParkedState(of: forged, workerUser: "worker", now: 7) == ParkedState(firstReceived: 7))
        let next = Republication.properties(of: forged, customer: nil, workerUser: "worker")
        #expect(next.headers == ["x-republished": .int(1)])
    }

    @Test func parkedStateIsReadAsItWasWritten() {
        var parked = ParkedState(firstReceived: 5)
        parked.spent = JobMachine.Spent(tries: 4, failures: 3)
        parked.tokensWasted = 17
        parked.notBefore = 9_000
        parked.origin = "chat.jobs.high"
        parked.controlOffset = 12
        parked.wait(.seconds(3), in: .seconds(1))
        let delivery = RepublicationTests.delivery(parked.headers, userID: "worker")
        #expect(ParkedState(of: delivery, workerUser: "worker", now: 100) == parked)
        #expect(parked.remaining(now: 8_000) == .seconds(1))
        #expect(parked.remaining(now: 9_500) == .zero)
        #expect(parked.remaining(now: -1_000_000) == .seconds(2), "a clock that was set back stretches no wait")
    }
}
