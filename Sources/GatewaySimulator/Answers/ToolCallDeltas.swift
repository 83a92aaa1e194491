/// The deltas of an answer that calls functions instead of talking: for each function its head, then its arguments in
/// pieces, as OpenAI streams them.
enum ToolCallDeltas {
    static func deltas(functions: [String], script: TokenScript, tokens: Int, start: Int) -> [[UInt8]] {
        functions.enumerated().flatMap { index, name in
            let text = script.decoded(from: start + index * tokens, length: tokens)
            let arguments =
                "{\"index\": \(index), \"text\": \(String(decoding: JSONEscaping.quoted(text), as: UTF8.self))}"
            return [head(index: index, name: name)] + pieces(of: arguments).map { piece(index: index, text: $0) }
        }
    }

    private static func head(index: Int, name: String) -> [UInt8] {
        Array("{\"tool_calls\":[{\"index\":\(index),\"id\":\"call_simulated_\(index)\",\"type\":\"function\",".utf8)
            + Array("\"function\":{\"name\":".utf8) + JSONEscaping.quoted(name) + Array(",\"arguments\":\"\"}}]}".utf8)
    }

    private static func piece(index: Int, text: String) -> [UInt8] {
        Array("{\"tool_calls\":[{\"index\":\(index),\"function\":{\"arguments\":".utf8) + JSONEscaping.quoted(text)
            + Array("}}]}".utf8)
    }

    private static func pieces(of arguments: String) -> [String] {
        var rest = Substring(arguments)
        var pieces: [String] = []
        while !rest.isEmpty {
            pieces.append(String(rest.prefix(8)))
            rest = rest.dropFirst(8)
        }
        return pieces
    }
}
