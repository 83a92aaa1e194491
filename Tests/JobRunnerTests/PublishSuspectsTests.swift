import Testing

@testable import AMQP
@testable import JobRunner

@Suite struct PublishSuspectsTests {
    private typealias Suspects = PublishSuspects<String>

    /// A broker that closes the connection over some messages: what becomes of everybody.
    /// - Returns: whom was blamed, in order, and how often the connection was closed.
    private static func judge(
        _ all: [String], over bad: Set<String>, steps: Int = 1, mostCloses: Int = 1_000
    ) -> (blamed: [String], closes: Int) {
        var suspects = Suspects()
        var (blamed, closes, now): ([String], Int, UInt64) = ([], 1, 0)
        #expect(suspects.closed(inFlight: all) == nil, "nobody was alone")
        var done: [String: Int] = [:]
        while let suspect = suspects.next(), closes < mostCloses {
            now += 1_000
            let step = done[suspect, default: 0] + 1
            done[suspect] = step
            suspects.sent(isLast: step == steps, now: now)
            #expect(suspects.next() == nil, "one at a time")
            if bad.contains(suspect), step == steps {
                closes += 1
                if let culprit = suspects.closed(inFlight: [suspect]) { blamed.append(culprit) }
            } else {
                suspects.answered(suspect)
            }
        }
        #expect(suspects.isEmpty || closes == mostCloses)
        return (blamed, closes)
    }

    @Test(
        arguments: [
            ([], [], 1), (["a"], [], 1), (["a"], ["a"], 2), (["a", "b", "c"], ["b"], 2),
            (["a", "b", "c"], ["a", "c"], 3),
            (["a", "a", "b", "a"], ["a"], 2), (["a", "b", "c", "d"], ["a", "b", "c", "d"], 5),
        ] as [([String], Set<String>, Int)])
    func whoeverClosesItAloneIsBlamed(all: [String], bad: Set<String>, closes: Int) {
        for steps in 1...3 {
            let judged = Self.judge(all, over: bad, steps: steps)
            #expect(Set(judged.blamed) == bad && judged.blamed.count == bad.count)
            #expect(judged.closes == closes)
        }
    }

    /// Every set of culprits among ten: each is found, and nobody else.
    @Test func allSetsOfCulprits() {
        let all = (0..<10).map { "\($0)" }
        for mask in 0..<(1 << all.count) {
            let bad = Set(all.filter { mask >> (Int($0) ?? 0) & 1 == 1 })
            let judged = Self.judge(all, over: bad)
            #expect(Set(judged.blamed) == bad && judged.closes == bad.count + 1)
        }
    }

    @Test func aLostNetworkBlamesNobodyAndClearsNobody() {
        var suspects = Suspects()
        _ = suspects.closed(inFlight: ["a", "b"])
        #expect(suspects.next() == "a")
        suspects.sent(isLast: true, now: 1)
        suspects.lost()
        #expect(suspects.next() == "a")
        suspects.sent(isLast: true, now: 2)
        #expect(suspects.closed(inFlight: ["a"]) == "a")
        #expect(suspects.next() == "b")
        suspects.lost()
        #expect(suspects.next() == "b" && suspects.contains("b") && !suspects.contains("a"))
    }

    /// Between its reset and its chunk nothing of a stream is on the way: a close then says nothing.
    @Test func betweenItsMessagesNobodyIsBlamed() {
        var suspects = Suspects()
        _ = suspects.closed(inFlight: ["a", "b"])
        #expect(suspects.next() == "a")
        suspects.sent(isLast: false, now: 1)
        suspects.answered("a")
        #expect(suspects.closed(inFlight: []) == nil)
        #expect(suspects.next() == "a")
        suspects.sent(isLast: true, now: 2)
        suspects.answered("b")
        #expect(suspects.next() == nil, "an answer for another says nothing of it")
        suspects.answered("a")
        #expect(suspects.next() == "b")
        suspects.cleared("b")
        #expect(suspects.isEmpty)
    }

    /// A queue without a majority confirms nothing: the others do not wait for it, and it is not blamed for them.
    @Test func oneThatIsNeverAnsweredHoldsNobody() {
        var suspects = Suspects()
        _ = suspects.closed(inFlight: ["a", "b", "c"])
        #expect(suspects.next() == "a")
        suspects.sent(isLast: true, now: 1_000)
        suspects.look(now: 1_000 + Suspects.patience - 1)
        #expect(suspects.next() == nil)
        suspects.look(now: 1_000 + Suspects.patience)
        #expect(suspects.next() == "b")
        suspects.sent(isLast: true, now: 3_000_000_000)
        #expect(suspects.closed(inFlight: ["a", "b"]) == "b", "the broker was through with the first")
        #expect(suspects.next() == "c")
    }

    @Test(arguments: [
        (AMQPError(.connectionClosed, "INTERNAL_ERROR", replyCode: 541), true, false),
        (AMQPError(.channelClosed, "ACCESS_REFUSED - access to exchange 'x'", replyCode: 403), true, false),
        (
            AMQPError(
                .channelClosed, "PRECONDITION_FAILED - message size 17 is larger than configured max size 16",
                replyCode: 406), true, true
        ),
        (AMQPError(.channelClosed, "PRECONDITION_FAILED - invalid message", replyCode: 406), true, false),
        (AMQPError(.channelClosed, "NOT_FOUND - no exchange 'chat.events'", replyCode: 404), false, false),
        (AMQPError(.connectionClosed, "CONNECTION_FORCED - closed by the operator", replyCode: 320), false, false),
        (AMQPError(.connectionLost, "the network"), false, false), (AMQPError(.timeout, "silence"), false, false),
        (AMQPError(.accessRefused, "login", replyCode: 403), false, false), (AMQPError(.closed, "by us"), false, false),
    ])
    func whichClosesMayBeAMessagesFault(error: AMQPError, isFault: Bool, isTooLarge: Bool) {
        #expect((Undeliverable(error) != nil) == isFault)
        #expect(Undeliverable(error)?.isTooLarge ?? false == isTooLarge)
    }

    @Test func aDeadRouteIsRememberedForAWhile() throws {
        let fault = try #require(Undeliverable(AMQPError(.connectionClosed, "INTERNAL_ERROR", replyCode: 541)))
        var routes = DeadRoutes()
        let dead = DeadRoutes.Route(exchange: "", routingKey: "dead")
        routes.insert(dead, fault, now: 5)
        #expect(routes.fault(of: dead, now: 5 + DeadRoutes.memory - 1) == fault)
        #expect(routes.fault(of: .init(exchange: "", routingKey: "other"), now: 6) == nil)
        #expect(routes.fault(of: dead, now: 5 + DeadRoutes.memory) == nil && routes.isEmpty)
        routes.insert(dead, fault, now: 5)
        routes.forget(now: 5 + DeadRoutes.memory - 1)
        #expect(!routes.isEmpty)
        routes.forget(now: 5 + DeadRoutes.memory)
        #expect(routes.isEmpty)
        for number in 0..<(DeadRoutes.most * 3) {
            routes.insert(.init(exchange: "x", routingKey: "\(number)"), fault, now: 6)
        }
        #expect(routes.fault(of: .init(exchange: "x", routingKey: "\(DeadRoutes.most * 3 - 1)"), now: 7) != nil)
    }
}

@Suite struct ConnectionWatchTests {
    /// `/ready` says why a publish connection is closed.
    @Test func whatIsMissingIsNamed() {
        let watch = ConnectionWatch(publishers: 1)
        watch.consumerOpened()
        watch.controlSynced()
        watch.journalSynced()
        watch.shardOpened()
        #expect(watch.reasons.isEmpty)
        watch.shardLost(AMQPError(.channelClosed, "NOT_FOUND - no exchange 'chat.events' in vhost '/'", replyCode: 404))
        #expect(watch.reasons.count == 1 && watch.reasons[0].contains("no exchange 'chat.events'"))
        watch.shardFailed(AMQPError(.unreachable, "away"))
        #expect(watch.reasons[0].contains("away"))
        watch.shardOpened()
        #expect(watch.reasons.isEmpty)
    }
}
