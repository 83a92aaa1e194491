import NIOCore

extension AnswerStream {
    /// Where in a provider's shape an answer is.
    struct ShapePlace {
        var step = 0
        /// When the pause that it is in is over.
        var resumesAt: NIODeadline?
    }

    /// Writes the steps that are due; a fault counts frames in place of tokens.
    mutating func play(
        _ shape: ProviderShape, now: NIODeadline, into output: inout some AnswerOutput, budget: Int
    ) -> Step {
        var left = budget
        while place.step < shape.steps.count {
            guard left > 0 else { return .more }
            switch shape.steps[place.step] {
            case .wait(let milliseconds):
                let end = place.resumesAt ?? now + .milliseconds(Int64(milliseconds))
                guard now >= end else {
                    place.resumesAt = end
                    return .wait(until: end)
                }
                place.resumesAt = nil
            case .raw(let text): output.raw(Array(text.utf8))
            case .frame(let text): output.message(Array(text.utf8))
            case .usage(let text): if plan.sendsUsage { output.message(Array(text.utf8)) }
            case .done: output.message(Array("[DONE]".utf8))
            }
            let isFrame = if case .frame = shape.steps[place.step] { true } else { false }
            place.step += 1
            left -= 1
            if isFrame, let step = strikeAfterFrame(into: &output) { return step }
        }
        return .complete
    }
}
