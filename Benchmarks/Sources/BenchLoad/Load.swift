import Glibc
import LibRabbitMQ
import Synchronization

/// Jobs at once, and all of their replies.
struct Load {
    var port: Int
    var prefix: String
    var count: Int
    var tokens: Int
    var customers: Int
    /// Jobs before those that count, so that connections are open.
    var warm: Int
    var pace: Pace
    var webhook: String?
    /// Seconds without a reply after which it gives up.
    var patience: Int
    /// The last customer's queue is bounded and not read: his jobs are not waited for.
    var deafCustomer: Bool

    func run() -> String {
        let queues = (0..<customers).map { Name("\(prefix).reply.c\($0)") }
        let link = Link(port: port)
        for (index, queue) in queues.enumerated() {
            link.declare(queue, maximumLength: deafCustomer && index == customers - 1 ? 1_000 : 0)
        }
        let read = deafCustomer ? Array(queues.dropLast()) : queues
        let consumer = Consumer(port: port, queues: read)
        if warm > 0 {
            var jobs = Jobs(base: 0, count: warm, tokensPerJob: tokens, deaf: deafCustomer ? customers : nil)
            let thread = enqueue(jobs, warm, pace: .none)
            consumer.run(&jobs, until: warm, patience: patience)
            thread.join()
            guard jobs.isGood else { stop("the warm-up failed: \(Self.report(jobs, seconds: 1, processor: 0))") }
        }
        say("{\"begins\":true}")
        // Whoever measures processor time has a moment to look at it.
        usleep(300_000)
        var jobs = Jobs(
            base: Self.firstNumber, count: count, tokensPerJob: tokens, deaf: deafCustomer ? customers : nil)
        let (start, processor) = (Clock.now(), Clock.processor())
        let thread = enqueue(jobs, count, pace: pace)
        consumer.run(&jobs, until: count, patience: patience)
        let seconds = Double(Clock.now() - start) / 1e9
        thread.join()
        let report = Self.report(jobs, seconds: seconds, processor: Clock.processor() - processor)
        guard case .surge(let surge) = pace else { return report }
        return report.dropLast() + ",\"surge\":\(surge.report(jobs))}"
    }

    /// Not a number of the warm-up, and a multiple of any number of customers that is asked for.
    private static let firstNumber = 1_000_000

    private func enqueue(_ jobs: borrowing Jobs, _ count: Int, pace: Pace) -> OSThread {
        let (base, enqueuer) = (
            jobs.base,
            Enqueuer(
                port: port, prefix: prefix, customers: customers, webhook: webhook, tokens: tokens, pace: pace)
        )
        nonisolated(unsafe) let times = jobs.publishedAt
        return OSThread {
            enqueuer.run(base..<(base + count)) { number, time in times[number - base] = time }
        }
    }

    private static func report(_ jobs: borrowing Jobs, seconds: Double, processor: Int) -> String {
        "{\"good\":\(jobs.isGood),\"seconds\":\(seconds),\"tokens\":\(jobs.tokens),\"messages\":\(jobs.messages),"
            + "\"ended\":\(jobs.ended),\"resets\":\(jobs.resets),\"missing\":\(jobs.missing),"
            + "\"not_ended\":\(jobs.notEnded),\"damaged\":\(jobs.damaged),\"misplaced\":\(jobs.misplaced),"
            + "\"failed\":\(jobs.failed),\"latency_ms\":\(jobs.latency.json),"
            + "\"first_token_ms\":\(jobs.firstToken.json),\"cpu_us\":\(processor)}"
    }
}
