/// Frames as a server sends them, right or wrong.
enum ServerFrame {
    static func frame(
        _ opcode: UInt8, _ payload: [UInt8], fin: Bool = true, rsv: UInt8 = 0, mask: [UInt8]? = nil,
        lengthBytes: Int? = nil
    ) -> [UInt8] {
        var bytes = [(fin ? 0x80 : 0) | rsv << 4 | opcode]
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        let natural = payload.count < 126 ? 0 : payload.count <= 0xFFFF ? 2 : 8
        switch lengthBytes ?? natural {
        case 0: bytes.append(maskBit | UInt8(payload.count))
        case 2:
            bytes.append(maskBit | 126)
            bytes += [UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255)]
        default:
            bytes.append(maskBit | 127)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        guard let mask else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    static func text(_ text: String, fin: Bool = true) -> [UInt8] { frame(1, Array(text.utf8), fin: fin) }

    static func binary(_ text: String) -> [UInt8] { frame(2, Array(text.utf8)) }

    static func close(_ code: UInt16?, _ reason: [UInt8] = []) -> [UInt8] {
        frame(8, (code.map { [UInt8($0 >> 8), UInt8($0 & 255)] } ?? []) + reason)
    }
}

/// Chunks of an answer as JSON text.
enum AnswerText {
    static func chunk(_ content: String, id: String? = "a1", index: Int = 0) -> String {
        let name = id.map { "\"id\":\"\($0)\"," } ?? ""
        return """
            {\(name)"object":"chat.completion.chunk","model":"m","choices":[{"index":\(index),\
            "delta":{"content":"\(content)"},"finish_reason":null}]}
            """
    }

    static func finish(id: String? = "a1", index: Int = 0) -> String {
        let name = id.map { "\"id\":\"\($0)\"," } ?? ""
        return """
            {\(name)"object":"chat.completion.chunk","model":"m","choices":[{"index":\(index),"delta":{},\
            "finish_reason":"stop"}]}
            """
    }

    static func usage(id: String? = "a1") -> String {
        let name = id.map { "\"id\":\"\($0)\"," } ?? ""
        return """
            {\(name)"object":"chat.completion.chunk","model":"m","choices":[],"usage":{"prompt_tokens":1,\
            "completion_tokens":2,"total_tokens":3}}
            """
    }
}
