/// Writes the chunks of one answer as JSON text: what they share is said once.
struct ChunkText {
    /// The members before `choices`.
    var head: String

    init(id: String, model: String, more: String = "") {
        head = #""id":"\#(id)","object":"chat.completion.chunk","created":1760000000,"model":"\#(model)"\#(more)"#
    }

    /// - Parameters:
    ///   - delta: a JSON object.
    ///   - finish: the `finish_reason`, or `nil` for null.
    ///   - choice: more members of the choice, each with a comma before it.
    ///   - top: more members of the chunk, each with a comma before it.
    func callAsFunction(_ delta: String, finish: String? = nil, choice: String = "", top: String = "") -> String {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        return #"{\#(head),"choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(reason)\#(choice)}]\#(top)}"#
    }

    /// The last chunk of those who send usage in one of its own.
    func usage(_ counts: String = counts) -> String { #"{\#(head),"choices":[],"usage":\#(counts)}"# }

    static let counts = #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#
    static let role = #"{"role":"assistant","content":""}"#

    /// One call in one piece.
    static func call(_ index: Int?, id: String, city: String) -> String {
        let place = index.map { #""index":\#($0),"# } ?? ""
        return #"{"role":"assistant","content":null,"tool_calls":[{\#(place)"id":"\#(id)","type":"function","#
            + #""function":{"name":"get_weather","arguments":"{\"city\":\"\#(city)\"}"}}]}"#
    }
}
