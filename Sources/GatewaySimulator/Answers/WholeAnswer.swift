/// The answer to a request without `stream: true`: one `chat.completion` with everything in it.
enum WholeAnswer {
    static func body(plan: AnswerPlan) -> [UInt8] {
        var choices: [UInt8] = []
        var tokens = 0
        for (index, choice) in plan.choices.enumerated() {
            tokens += choice.tokenCount
            var text = ""
            if case .script(let script, let start) = choice.source {
                text = script.decoded(from: start, length: choice.tokenCount)
            }
            if index > 0 { choices.append(0x2C) }
            choices += Array("{\"index\":\(index),\"message\":{\"role\":\"assistant\",\"content\":".utf8)
            choices += JSONEscaping.quoted(text) + Array("},\"finish_reason\":\"\(choice.finishReason)\"}".utf8)
        }
        return Array(
            "{\"id\":\"\(plan.id)\",\"object\":\"chat.completion\",\"created\":\(plan.created),\"model\":".utf8)
            + JSONEscaping.quoted(plan.model) + Array(",\"choices\":[".utf8) + choices + Array("],\"usage\":".utf8)
            + ChunkTemplate.usageObject(promptTokens: plan.promptTokens, completionTokens: tokens) + Array("}".utf8)
    }
}
