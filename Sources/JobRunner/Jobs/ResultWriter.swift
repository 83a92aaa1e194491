internal import ChatModel

/// Writes the JSON bodies that end a job. Text of the answer is copied in its raw form.
struct ResultWriter {
    let job: Job
    let attempt: AttemptNumber
    let tries: Int
    let timings: JobTimings
    /// Output chunks of tries that were thrown away.
    let tokensWasted: Int
    /// What the attempt cost whose text is told.
    let shown: Charge
    /// What every attempt cost, and what those of earlier lives did.
    let charges: [Charge]
    let costBefore: Money
    /// What costs time to tell of an answer, found out once for all bodies.
    let contentSHA256: String
    let model: String

    init(
        job: Job, attempt: AttemptNumber, tries: Int, timings: JobTimings, tokensWasted: Int, shown: Charge,
        charges: [Charge], costBefore: Money = .zero, _ log: borrowing AnswerLog
    ) {
        self.job = job
        self.attempt = attempt
        self.tries = tries
        self.timings = timings
        self.tokensWasted = tokensWasted
        self.shown = shown
        self.charges = charges
        self.costBefore = costBefore
        contentSHA256 = log.contentSHA256()
        model = log.modelName ?? shown.model
    }

    /// The body of a `chat.completion`.
    func completion(_ log: borrowing AnswerLog) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(log.count + 768)
        log.appendCompletion(to: &output)
        output.append(contentsOf: ",\"usage\":".utf8)
        appendUsage(log, to: &output)
        output.append(contentsOf: ",\"job\":".utf8)
        appendJob(to: &output)
        output.append(0x7D)
        return output
    }

    /// The body of an `error`, with the text that was paid for.
    func error(_ failure: JobFailure, _ log: borrowing AnswerLog) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(log.count + 1_024)
        Self.appendError(failure, to: &output)
        output.append(contentsOf: ",\"partial\":".utf8)
        if log.count > 0 {
            output.append(contentsOf: "{\"choices\":".utf8)
            log.appendChoices(to: &output)
            output.append(contentsOf: ",\"usage\":".utf8)
            appendUsage(log, to: &output)
            output.append(0x7D)
        } else {
            output.append(contentsOf: "null".utf8)
        }
        output.append(contentsOf: ",\"job\":".utf8)
        appendJob(to: &output)
        output.append(0x7D)
        return output
    }

    /// The body of the `error` that answers a message which is no job.
    static func error(_ failure: JobFailure, id: String?, customer: String?, attempt: AttemptNumber) -> [UInt8] {
        var output: [UInt8] = []
        appendError(failure, to: &output)
        output.append(contentsOf: ",\"partial\":null,\"job\":{\"id\":".utf8)
        appendText(id, to: &output)
        output.append(contentsOf: ",\"customer\":".utf8)
        appendText(customer, to: &output)
        output.append(contentsOf: ",\"attempt\":\(attempt.value),\"attempts\":0}}".utf8)
        return output
    }

    private static func appendError(_ failure: JobFailure, to output: inout [UInt8]) {
        output.append(contentsOf: "{\"error\":{\"type\":".utf8)
        JSONText.appendQuoted(failure.type.utf8, to: &output)
        output.append(contentsOf: ",\"code\":".utf8)
        JSONText.appendQuoted(failure.code.utf8, to: &output)
        output.append(contentsOf: ",\"message\":".utf8)
        JSONText.appendQuoted(failure.message.utf8, to: &output)
        output.append(contentsOf: ",\"param\":".utf8)
        appendText(failure.param, to: &output)
        output.append(contentsOf: ",\"retryable\":\(failure.isRetryable),\"stage\":\"\(failure.stage.rawValue)\"}".utf8)
    }

    private static func appendText(_ text: String?, to output: inout [UInt8]) {
        if let text {
            JSONText.appendQuoted(text.utf8, to: &output)
        } else {
            output.append(contentsOf: "null".utf8)
        }
    }

    func appendUsage(_ log: borrowing AnswerLog, to output: inout [UInt8]) {
        shown.usage.append(raw: log.usage, to: &output)
    }

    private func appendJob(to output: inout [UInt8]) {
        appendJob(attempt: attempt.value, to: &output)
        output.append(contentsOf: ",\"total_cost\":".utf8)
        let total = charges.total
        Self.appendCost(total ?? (costBefore > .zero ? .zero : nil), plus: costBefore, to: &output)
        output.append(contentsOf: ",\"charges\":[".utf8)
        for (index, charge) in charges.enumerated() {
            if index > 0 { output.append(0x2C) }
            Self.append(charge, to: &output)
        }
        output.append(contentsOf: "]}".utf8)
    }

    /// What is told of a job, open for more members.
    func appendJob(attempt: Int64, to output: inout [UInt8]) {
        output.append(contentsOf: "{\"id\":".utf8)
        JSONText.appendQuoted(job.id.utf8, to: &output)
        output.append(contentsOf: ",\"customer\":".utf8)
        JSONText.appendQuoted(job.customer.utf8, to: &output)
        if let metadata = job.metadata {
            output.append(contentsOf: ",\"metadata\":".utf8)
            output.append(contentsOf: metadata)
        }
        output.append(contentsOf: ",\"attempt\":\(attempt),\"attempts\":\(tries),\"model\":".utf8)
        JSONText.appendQuoted(model.utf8, to: &output)
        if let fallback = job.fallback {
            output.append(contentsOf: ",\"fallback\":{\"from\":".utf8)
            JSONText.appendQuoted(fallback.from.utf8, to: &output)
            output.append(contentsOf: ",\"reason\":\"\(fallback.cause.rawValue)\"}".utf8)
        }
        output.append(contentsOf: ",\"content_sha256\":\"\(contentSHA256)\",\"timings\":".utf8)
        timings.append(to: &output)
        output.append(contentsOf: ",\"cost\":".utf8)
        Self.appendCost(shown.cost, to: &output)
        output.append(contentsOf: ",\"tokens_wasted\":\(tokensWasted)".utf8)
        output.append(contentsOf: ",\"usage_source\":\"\(Self.source(shown.usage))\"".utf8)
    }

    private static func append(_ charge: Charge, to output: inout [UInt8]) {
        let usage = charge.usage
        output.append(
            contentsOf: "{\"attempt\":\(charge.attempt),\"outcome\":\"\(charge.outcome.rawValue)\",\"gateway\":".utf8)
        JSONText.appendQuoted(charge.gateway.utf8, to: &output)
        output.append(contentsOf: ",\"model\":".utf8)
        JSONText.appendQuoted(charge.model.utf8, to: &output)
        output.append(
            contentsOf: ",\"prompt_tokens\":\(usage.promptTokens),\"completion_tokens\":\(usage.completionTokens)".utf8)
        usage.appendCacheMembers(to: &output)
        output.append(contentsOf: ",\"usage_source\":\"\(source(usage))\",\"cost\":".utf8)
        appendCost(charge.cost, to: &output)
        output.append(0x7D)
    }

    private static func source(_ usage: TokenUsage) -> String { usage.isEstimated ? "estimated" : "provider" }

    private static func appendCost(_ cost: Money?, plus more: Money = .zero, to output: inout [UInt8]) {
        guard let cost else { return output.append(contentsOf: "null".utf8) }
        output.append(contentsOf: "{\"amount\":\((cost + more).decimal),\"currency\":\"USD\"}".utf8)
    }
}
