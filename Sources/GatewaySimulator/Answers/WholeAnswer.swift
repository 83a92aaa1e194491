/// The answer to a request without `stream: true`: one `chat.completion` with everything in it.
enum WholeAnswer {
    /// - Parameter texts: The answer's text for each choice.
    static func body(plan: AnswerPlan, texts: [String]) -> [UInt8] {
        var choices: [UInt8] = []
        for (index, choice) in plan.choices.enumerated() {
            if index > 0 { choices.append(0x2C) }
            choices += Array("{\"index\":\(index),\"message\":{\"role\":\"assistant\",\"content\":".utf8)
            choices += JSONEscaping.quoted(texts[index])
            choices += Array("},\"finish_reason\":\"\(choice.finishReason)\"}".utf8)
        }
        let usage = ChunkTemplate.usageObject(promptTokens: plan.promptTokens, completionTokens: tokens(of: plan))
        return Array(
            "{\"id\":\"\(plan.id)\",\"object\":\"chat.completion\",\"created\":\(plan.created),\"model\":".utf8)
            + JSONEscaping.quoted(plan.model) + Array(",\"choices\":[".utf8) + choices + Array("],\"usage\":".utf8)
            + usage + Array("}".utf8)
    }

    /// The whole text of each choice; tool calls and timestamps have none.
    static func texts(of plan: AnswerPlan) -> [String] {
        plan.choices.map { choice in
            guard case .script(let script, let start) = choice.source else { return "" }
            return script.decoded(from: start, length: choice.tokenCount)
        }
    }

    static func tokens(of plan: AnswerPlan) -> Int {
        plan.choices.reduce(0) { $0 + $1.tokenCount }
    }
}
