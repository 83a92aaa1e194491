import NIOCore

/// How far one connection of the admin server is, and how long it may stay so. Pure: the time comes with each event.
struct AdminConnectionState {
    struct Patience: Sendable, Equatable {
        /// From the connection to the end of its first request's head.
        var head = TimeAmount.seconds(10)
        /// From the end of an answer to the end of the next request's head.
        var idle = TimeAmount.seconds(75)
        /// From a request's head to the end of its body.
        var body = TimeAmount.seconds(10)
        /// A client that does not read what it asked for.
        var write = TimeAmount.seconds(30)
        /// For an answer that is being made when the worker stops.
        var stop = TimeAmount.seconds(5)

        init() {}
    }

    enum Verdict: Equatable {
        case goOn
        /// Nobody waits for a word.
        case close
        /// The request did not come in time: 408.
        case requestTimeout
        /// The worker stops before the request has come: 503.
        case stopping
    }

    private let patience: Patience
    /// Requests whose head was read and whose answer has not ended.
    private var open = 0
    private var isReadingBody = false
    /// The head of the present answer is out.
    private var isAnswering = false
    private var hasServed = false
    private var isStopping = false
    private var headBy: NIODeadline
    private var bodyBy = NIODeadline.distantFuture
    private var writableBy = NIODeadline.distantFuture
    private var stopBy = NIODeadline.distantFuture

    init(_ patience: Patience, now: NIODeadline) {
        self.patience = patience
        headBy = now + patience.head
    }

    /// When `timeout` is due.
    var deadline: NIODeadline {
        let reading = isReadingBody ? bodyBy : open == 0 ? headBy : .distantFuture
        return min(reading, min(writableBy, stopBy))
    }

    mutating func headRead(now: NIODeadline) {
        open += 1
        isReadingBody = true
        bodyBy = now + patience.body
    }

    mutating func bodyRead() { isReadingBody = false }

    mutating func answerBegan() { isAnswering = true }

    mutating func answerEnded(now: NIODeadline) {
        open = max(0, open - 1)
        isAnswering = false
        hasServed = true
        headBy = now + patience.idle
    }

    mutating func writabilityChanged(_ isWritable: Bool, now: NIODeadline) {
        writableBy = isWritable ? .distantFuture : min(writableBy, now + patience.write)
    }

    /// The worker stops. What it is about to answer it may still answer; whoever has not asked yet will not.
    mutating func stop(now: NIODeadline) -> Verdict {
        guard !isStopping else { return .goOn }
        isStopping = true
        stopBy = now + patience.stop
        if open == 0 { return .close }
        return isReadingBody && !isAnswering && open == 1 ? .stopping : .goOn
    }

    func timeout(now: NIODeadline) -> Verdict {
        guard deadline <= now else { return .goOn }
        if min(writableBy, stopBy) <= now { return .close }
        // An answer that is out, or under way, cannot be followed by another.
        if open == 0 { return hasServed || isReadingBody ? .close : .requestTimeout }
        return isAnswering || open > 1 ? .close : .requestTimeout
    }
}
