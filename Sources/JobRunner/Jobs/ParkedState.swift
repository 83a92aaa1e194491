package import AMQP
internal import ChatModel
internal import Webhooks

/// What a job's message carries from one of its lives to the next, in headers that count under a worker's login only.
package struct ParkedState: Sendable, Equatable {
    var spent = JobMachine.Spent()
    /// Output chunks of attempts that were thrown away.
    var tokensWasted = 0
    /// What attempts of earlier lives cost.
    var costBefore = Money.zero
    /// When a worker saw the job first; milliseconds since 1970.
    package var firstReceived: Int64 = 0
    /// Milliseconds since 1970 before which it shall not be tried again; 0: at once.
    var notBefore: Int64 = 0
    /// Milliseconds of the wait that are left behind the waiting queue; `nil` where nobody said.
    var waitLeft: Int64?
    /// The queue that it was taken from when it was parked: waiting queues give back to one queue only.
    var origin: String?
    /// How far the control stream had come when the job was replayed.
    var controlOffset: Int64?

    /// Milliseconds: no worker parks a job for longer than a month.
    private static let longestWait: Int64 = 31 * 86_400_000

    init(firstReceived: Int64) { self.firstReceived = firstReceived }

    /// - Parameter now: milliseconds since 1970.
    package init(of delivery: Delivery, workerUser: String, now: Int64) {
        self.init(firstReceived: now)
        guard delivery.properties.userID == workerUser else { return }
        let headers = delivery.properties.headers
        func count(_ name: String) -> Int { Int(clamping: min(max(headers.integer(name) ?? 0, 0), 1_000_000_000)) }
        spent = JobMachine.Spent(
            tries: count(Republication.Header.tries), failures: count(Republication.Header.failedTries))
        tokensWasted = count(Republication.Header.tokensWasted)
        costBefore = Money(billionths: max(0, headers.integer(Republication.Header.costBefore) ?? 0))
        // Whatever stands there, it moves no clock and keeps no job for ever.
        let latest = now.addingReportingOverflow(Self.longestWait)
        notBefore = min(
            max(0, headers.integer(Republication.Header.notBefore) ?? 0), latest.overflow ? .max : latest.partialValue)
        waitLeft = headers.integer(Republication.Header.waitLeft).map { min(max(0, $0), Self.longestWait) }
        firstReceived = min(now, max(0, headers.integer(Republication.Header.firstReceived) ?? now))
        origin = Self.origin(of: delivery, workerUser: workerUser)
        controlOffset = headers.integer(Republication.Header.controlOffset)
    }

    /// The queue from which a worker has parked it.
    static func origin(of delivery: Delivery, workerUser: String) -> String? {
        guard delivery.properties.userID == workerUser else { return nil }
        return delivery.properties.headers.string(Republication.Header.originQueue)
    }

    package var headers: FieldTable {
        var headers: FieldTable = [Republication.Header.firstReceived: .int(firstReceived)]
        if spent.tries > 0 { headers[Republication.Header.tries] = .int(Int64(spent.tries)) }
        if spent.failures > 0 { headers[Republication.Header.failedTries] = .int(Int64(spent.failures)) }
        if tokensWasted > 0 { headers[Republication.Header.tokensWasted] = .int(Int64(tokensWasted)) }
        if costBefore > .zero { headers[Republication.Header.costBefore] = .int(costBefore.billionths) }
        if notBefore > 0 { headers[Republication.Header.notBefore] = .int(notBefore) }
        if let waitLeft { headers[Republication.Header.waitLeft] = .int(waitLeft) }
        if let origin { headers[Republication.Header.originQueue] = .string(origin) }
        if let controlOffset { headers[Republication.Header.controlOffset] = .int(controlOffset) }
        return headers
    }

    /// What is left to wait; not positive when it is over.
    package func remaining(now: Int64) -> Duration {
        RetryTiers.remaining(until: notBefore, atMost: waitLeft, now: now)
    }

    /// It goes into a waiting queue, for `tier` of the wait that is left.
    mutating func wait(_ rest: Duration, in tier: Duration) { waitLeft = max(.zero, rest - tier).milliseconds }
}
