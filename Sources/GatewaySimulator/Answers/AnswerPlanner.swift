import NIOCore

/// Turns a request and the options into the plan of an answer.
struct AnswerPlanner: Sendable {
    let options: SimulatedGateway.Options
    let script: TokenScript

    init(options: SimulatedGateway.Options) {
        self.options = options
        self.script = TokenScript(text: options.text ?? BuiltInText.text, style: options.style)
    }

    /// - Parameters:
    ///   - ordinal: Counts the requests from 0.
    ///   - fault: The one that was chosen for this request.
    func plan(
        _ request: ChatRequest, model: String, ordinal: Int, fault: Fault?, lateChunk: [UInt8]?, created: Int
    ) -> AnswerPlan {
        let delay = request.directives.firstTokenMilliseconds.map { TimeAmount.milliseconds(Int64($0)) }
        return AnswerPlan(
            id: AnswerPlan.newID(), model: model, created: created, choices: choices(for: request, ordinal: ordinal),
            promptTokens: request.promptTokens, sendsUsage: request.includesUsage && options.sendsUsage,
            sendsDone: options.sendsDone,
            tokensPerSecond: request.directives.tokensPerSecond ?? options.tokensPerSecond,
            firstTokenDelay: delay ?? .nanoseconds(options.firstTokenDelay.nanosecondsClamped), fault: fault,
            lateChunk: lateChunk, recordsText: options.recordsAnswers || options.transcriptPath != nil,
            shape: options.provider?.shape(callsTools: !request.tools.isEmpty))
    }

    private func choices(for request: ChatRequest, ordinal: Int) -> [ChoicePlan] {
        if options.callsTools, !request.tools.isEmpty {
            let deltas = ToolCallDeltas.deltas(
                functions: Array(request.tools.prefix(2)), script: script, tokens: 6,
                start: start(for: request, ordinal))
            let choice = ChoicePlan(source: .deltas(deltas), tokenCount: deltas.count, finishReason: "tool_calls")
            return Array(repeating: choice, count: request.choiceCount)
        }
        let spoken =
            options.echoesPrompt ? TokenScript(text: request.prompt, style: options.style) : script
        let wanted = request.directives.tokens ?? options.tokens ?? spoken.count
        let allowed = request.maximumTokens ?? .max
        let first = options.echoesPrompt ? 0 : start(for: request, ordinal)
        return (0..<request.choiceCount).map { index in
            ChoicePlan(
                source: options.stampsTokens
                    ? .timestamps : .script(spoken, start: spoken.safeStart(near: first + index * 5)),
                tokenCount: min(wanted, allowed), finishReason: allowed < wanted ? "length" : "stop")
        }
    }

    /// Where in the script an answer begins: at its start, or with `varies` at a place of the request's own.
    private func start(for request: ChatRequest, _ ordinal: Int) -> Int {
        guard options.varies else { return 0 }
        var hash = options.seed &+ UInt64(truncatingIfNeeded: ordinal)
        if let user = request.user {
            hash = user.utf8.reduce(options.seed ^ 0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
        var generator = SeededGenerator(seed: hash)
        return script.safeStart(near: Int.random(in: 0..<max(script.count, 1), using: &generator))
    }
}

extension Duration {
    /// At most 292 years.
    var nanosecondsClamped: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}
