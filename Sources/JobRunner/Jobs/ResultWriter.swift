internal import ChatModel

/// Writes the JSON bodies that end a job. Text of the answer is copied in its raw form.
struct ResultWriter {
    let job: Job
    let attempt: AttemptNumber
    let tries: Int
    let timings: JobTimings
    /// Output chunks of tries that were thrown away.
    let tokensWasted: Int
    /// What costs time to tell of an answer, found out once for all bodies.
    let usage: Usage
    let contentSHA256: String
    let model: String

    init(
        job: Job, attempt: AttemptNumber, tries: Int, timings: JobTimings, tokensWasted: Int,
        _ log: borrowing AnswerLog
    ) {
        self.job = job
        self.attempt = attempt
        self.tries = tries
        self.timings = timings
        self.tokensWasted = tokensWasted
        usage = Usage(log, requestBytes: job.request.count)
        contentSHA256 = log.contentSHA256()
        model = log.modelName ?? job.route.upstreamModel
    }

    struct Usage: Equatable {
        var promptTokens: Int
        var completionTokens: Int
        var isEstimated: Bool

        /// The provider's where it sent one; else estimated.
        init(_ log: borrowing AnswerLog, requestBytes: Int) {
            if !log.usage.isEmpty, let usage = try? JSONValue(parsing: log.usage),
                let prompt = usage["prompt_tokens"]?.integerValue,
                let completion = usage["completion_tokens"]?.integerValue,
                (0...Self.most).contains(prompt), (0...Self.most).contains(completion)
            {
                (promptTokens, completionTokens, isEstimated) = (prompt, completion, false)
            } else if log.outputChunks == 0 {
                // Nothing came, so nothing was sold that we know of.
                (promptTokens, completionTokens, isEstimated) = (0, 0, true)
            } else {
                // About four bytes of English a token (OpenAI's rule of thumb); a gateway sends about one token a chunk.
                (promptTokens, completionTokens, isEstimated) = ((requestBytes + 3) / 4, log.outputChunks, true)
            }
        }

        private static let most = 1 << 40
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

    /// The body of the usage event: what billing needs, without the text.
    func usageEvent(_ outcome: String, _ log: borrowing AnswerLog, time: Timestamp) -> [UInt8] {
        var output: [UInt8] = []
        output.append(contentsOf: "{\"type\":\"usage\",\"timestamp\":\"\(time.rfc3339)\",\"outcome\":".utf8)
        JSONText.appendQuoted(outcome.utf8, to: &output)
        output.append(contentsOf: ",\"gateway\":".utf8)
        JSONText.appendQuoted(job.route.gateway.utf8, to: &output)
        output.append(contentsOf: ",\"usage\":".utf8)
        appendUsage(log, to: &output)
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

    private func appendUsage(_ log: borrowing AnswerLog, to output: inout [UInt8]) {
        guard usage.isEstimated else { return output.append(contentsOf: log.usage) }
        let total = usage.promptTokens + usage.completionTokens
        output.append(
            contentsOf:
                "{\"prompt_tokens\":\(usage.promptTokens),\"completion_tokens\":\(usage.completionTokens),\"total_tokens\":\(total)}"
                .utf8)
    }

    private func appendJob(to output: inout [UInt8]) {
        output.append(contentsOf: "{\"id\":".utf8)
        JSONText.appendQuoted(job.id.utf8, to: &output)
        output.append(contentsOf: ",\"customer\":".utf8)
        JSONText.appendQuoted(job.customer.utf8, to: &output)
        if let metadata = job.metadata {
            output.append(contentsOf: ",\"metadata\":".utf8)
            output.append(contentsOf: metadata)
        }
        output.append(contentsOf: ",\"attempt\":\(attempt.value),\"attempts\":\(tries),\"model\":".utf8)
        JSONText.appendQuoted(model.utf8, to: &output)
        output.append(contentsOf: ",\"content_sha256\":\"\(contentSHA256)\",\"timings\":".utf8)
        timings.append(to: &output)
        output.append(contentsOf: ",\"cost\":".utf8)
        if let price = job.route.price {
            let amount = price.cost(promptTokens: usage.promptTokens, completionTokens: usage.completionTokens)
            output.append(contentsOf: "{\"amount\":\(Self.decimal(amount)),\"currency\":\"USD\"}".utf8)
        } else {
            output.append(contentsOf: "null".utf8)
        }
        output.append(contentsOf: ",\"tokens_wasted\":\(tokensWasted)".utf8)
        output.append(contentsOf: ",\"usage_source\":\"\(usage.isEstimated ? "estimated" : "provider")\"}".utf8)
    }

    /// An amount with nine decimals and no exponent: a thousandth of a token's price of the cheapest model.
    private static func decimal(_ amount: Double) -> String {
        guard amount.isFinite, amount >= 0, amount < 1e9 else { return "0" }
        let units = UInt64((amount * 1e9).rounded())
        let fraction = String(units % 1_000_000_000)
        return "\(units / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}
