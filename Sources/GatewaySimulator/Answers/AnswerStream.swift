import NIOCore

/// One answer on its way: decides which chunks are due and writes them. Pure; the time is passed in.
///
/// The pace does not drift: token N is due at the first token plus N intervals, and a stream that comes late sends all
/// that is due.
struct AnswerStream {
    /// What the connection has to do after `advance`.
    enum Step: Equatable {
        /// The budget is used up; call again.
        case more
        case wait(until: NIODeadline)
        /// From here on a byte at a time; then call again.
        case drip(milliseconds: Int)
        /// All was written.
        case complete
        /// An error frame ended the answer.
        case failed
        /// Write no more; what was asked for instead.
        case close(UInt16)
        case cut
        case reset
        case silent
    }

    private enum Phase { case opening, tokens, ended }

    let plan: AnswerPlan
    private var template: ChunkTemplate
    private var phase = Phase.opening
    private var round = 0
    private var fault: Fault?
    private let firstTokenAt: NIODeadline
    private let roundCount: Int
    private let interval: Double
    private var recorded: [[UInt8]]
    var place = ShapePlace()

    /// Content tokens sent, over all choices.
    private(set) var tokensSent = 0
    /// Tokens of the choice with most of them: what the usage counts for each choice, up to its own length.
    var roundsSent: Int { round }

    init(plan: AnswerPlan, startedAt: NIODeadline) {
        self.plan = plan
        self.template = Self.template(for: plan, id: plan.id)
        self.fault = plan.fault
        self.firstTokenAt = startedAt + plan.firstTokenDelay
        self.roundCount = plan.roundCount
        self.interval = plan.tokensPerSecond > 0 ? 1e9 / plan.tokensPerSecond : 0
        self.recorded = Array(repeating: [], count: plan.choices.count)
    }

    /// Writes what is due, at most about `budget` tokens of it.
    mutating func advance(now: NIODeadline, into output: inout some AnswerOutput, budget: Int) -> Step {
        if phase == .opening {
            guard now >= firstTokenAt else { return .wait(until: firstTokenAt) }
            if let step = strike(into: &output) { return step }
            open(into: &output)
        }
        guard phase == .tokens else { return .silent }
        if let shape = plan.shape {
            let step = play(shape, now: now, into: &output, budget: budget)
            if step == .complete { phase = .ended }
            return step
        }
        let end = tokensSent + budget
        while round < roundCount {
            let due = self.due(round)
            guard now >= due else { return .wait(until: due) }
            guard tokensSent < end else { return .more }
            sendRound(into: &output)
            if let step = strike(into: &output) { return step }
        }
        finish(into: &output)
        return .complete
    }

    /// The text of a choice as far as it was sent.
    func text(ofChoice choice: Int) -> String {
        guard plan.shape == nil else { return "" }
        let sent = min(round, plan.choices[choice].tokenCount)
        switch plan.choices[choice].source {
        case .script(let script, let start): return script.decoded(from: start, length: sent)
        case .timestamps: return String(decoding: recorded[choice], as: UTF8.self)
        case .deltas: return ""
        }
    }

    private static func template(for plan: AnswerPlan, id: String) -> ChunkTemplate {
        ChunkTemplate(
            id: id, model: plan.model, created: plan.created, choiceCount: plan.choices.count,
            includesUsage: plan.sendsUsage)
    }

    private func due(_ round: Int) -> NIODeadline {
        firstTokenAt + .nanoseconds(Int64(Double(round) * interval))
    }

    private mutating func open(into output: inout some AnswerOutput) {
        phase = .tokens
        guard plan.shape == nil else { return }
        for (index, choice) in plan.choices.enumerated() {
            var hasContent = true
            if case .deltas = choice.source { hasContent = false }
            output.message(template.role(choice: index, hasContent: hasContent))
        }
        if let late = plan.lateChunk { output.message(late) }
    }

    private mutating func sendRound(into output: inout some AnswerOutput) {
        for choice in plan.choices.indices where round < plan.choices[choice].tokenCount {
            send(choice: choice, into: &output)
            tokensSent += 1
        }
        round += 1
        if round == 1, let late = plan.lateChunk { output.message(late) }
    }

    @inline(__always)
    private mutating func send(choice: Int, into output: inout some AnswerOutput) {
        switch plan.choices[choice].source {
        case .script(let script, let start):
            script.withToken(start + round) {
                output.message(template.contentHeads[choice], $0, template.contentTail)
            }
        case .timestamps:
            let stamp = Array("\(NIODeadline.now().uptimeNanoseconds):\(round) ".utf8)
            stamp.withUnsafeBytes { output.message(template.contentHeads[choice], $0, template.contentTail) }
            if plan.recordsText { recorded[choice] += stamp }
        case .deltas(let deltas):
            output.message(template.chunk(choice: choice, delta: deltas[round]))
        }
    }

    /// - Parameter reason: in place of that of each choice.
    private mutating func finish(_ reason: String? = nil, into output: inout some AnswerOutput) {
        phase = .ended
        for (index, choice) in plan.choices.enumerated() {
            let reason = reason ?? choice.finishReason
            output.message(template.chunk(choice: index, delta: Array("{}".utf8), finishReason: reason))
        }
        if plan.sendsUsage {
            output.message(template.usage(promptTokens: plan.promptTokens, completionTokens: tokensSent))
        }
        if plan.sendsDone {
            output.message(Array("[DONE]".utf8))
        }
    }

    /// A frame of a provider's shape was written, and counts as a token.
    mutating func strikeAfterFrame(into output: inout some AnswerOutput) -> Step? {
        round += 1
        tokensSent += 1
        return strike(into: &output)
    }

    /// Carries out the fault if its time has come; a fault beyond the last token strikes before the finish reason.
    private mutating func strike(into output: inout some AnswerOutput) -> Step? {
        guard let fault, let after = fault.tokensBefore, round == min(after, roundCount) else { return nil }
        self.fault = nil
        switch fault {
        case .close(let code, _): return end(.close(code))
        case .cut: return end(.cut)
        case .reset: return end(.reset)
        case .silence: return end(.silent)
        case .error(let type, _, let shape):
            output.message(
                ErrorBody.shaped(
                    shape, type: type, message: "Simulated \(type)", status: ErrorBody.status(forType: type)))
            return end(.failed)
        case .filter:
            if phase == .opening { open(into: &output) }
            finish("content_filter", into: &output)
            return .complete
        case .garbage:
            output.message(Array("{\"id\": this is not JSON".utf8))
        case .otherJSON:
            output.message(Array("{\"status\":\"ok\",\"queue\":[1,2,3]}".utf8))
        case .oversize(let bytes, _):
            let padding = Array("{\"padding\":\"".utf8) + [UInt8](repeating: 0x78, count: bytes) + Array("\"}".utf8)
            output.message(template.chunk(choice: 0, delta: padding))
        case .fragments(let count, _): output.fragments(emptyChunk, count: count, pings: false)
        case .pings(let count, _): output.fragments(emptyChunk, count: count, pings: true)
        case .badFrame: output.badFrame()
        case .drip(let milliseconds, _): return .drip(milliseconds: milliseconds)
        case .invalidUTF8:
            // The first two bytes of a three-byte character, with nothing after them.
            output.plainText(template.contentHeads[0] + [0xED, 0x95])
        case .swapID:
            template = Self.template(for: plan, id: AnswerPlan.newID())
        case .mute, .refuse, .hang, .dripHead, .late: break
        }
        return nil
    }

    private var emptyChunk: [UInt8] { template.chunk(choice: 0, delta: Array("{}".utf8)) }

    private mutating func end(_ step: Step) -> Step {
        phase = .ended
        return step
    }
}
