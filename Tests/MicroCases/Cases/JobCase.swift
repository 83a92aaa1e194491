internal import ChatModel

/// `JobParser` with `RequestSplicer` on one job.
struct JobCase: MicroCase {
    private let body: [UInt8]
    private let parser = JobParser(
        rules: JobRules(models: ["gpt-4.1": ModelRoute(gateway: "main", upstreamModel: "gpt-4.1-2025-04-14")]))
    private let envelope = JobEnvelope(
        messageID: "order-20490131-000017", correlationID: "c-17", replyTo: "chat.reply.acme", userID: "acme",
        customer: "acme", trace: TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))

    init(size: Int) throws(BrokenSample) {
        body = Samples.job(size: size)
        guard body.count == size, (try? parser.parse(body: body, envelope: envelope)) != nil else {
            throw BrokenSample(description: "the sample is no job of \(size) bytes")
        }
    }

    func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            guard let job = try? parser.parse(body: body, envelope: envelope) else { return 0 }
            sum &+= UInt64(job.request.count)
        }
        return sum
    }
}
