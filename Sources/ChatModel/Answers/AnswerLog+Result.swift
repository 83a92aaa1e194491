internal import Crypto

extension AnswerLog {
    /// SHA-256 of choice 0's decoded text, as 64 hexadecimal digits: the `content_sha256` of the result.
    public func contentSHA256() -> String {
        var hash = SHA256()
        bytes.withUnsafeBytes { bytes in
            forEachPiece { start, end in
                JSONText.decode(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) { hash.update(bufferPointer: $0) }
            } opaque: { entry in
                let message = UnsafeRawBufferPointer(rebasing: bytes[entry.start..<(entry.start &+ entry.count)])
                guard case .chunk(let chunk) = FrameScanner.scan(message), !chunk.content.isEmpty else { return }
                JSONText.decode(message[chunk.content]) { hash.update(bufferPointer: $0) }
            }
        }
        return hash.finalize().reduce(into: "") { text, byte in
            text += String(UnicodeScalar(Self.hexadecimal[Int(byte &>> 4)]))
            text += String(UnicodeScalar(Self.hexadecimal[Int(byte & 15)]))
        }
    }

    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// The start of an OpenAI `chat.completion`, open for more members: `{"id":…,"object":"chat.completion",…,"choices":[…]`.
    public func appendCompletion(to output: inout [UInt8]) {
        output.append(contentsOf: metadata)
        output.append(",\"choices\":")
        appendChoices(to: &output)
    }

    /// The `choices` of a `chat.completion`, as far as they have come. Text without tool calls and the like is copied,
    /// not decoded.
    public func appendChoices(to output: inout [UInt8]) {
        guard opaque.isEmpty else { return accumulated().append(to: &output) }
        guard hasBegun else { return output.append("[]") }
        output.append("[{\"index\":0,\"message\":{\"role\":\"")
        output.append(contentsOf: role.isEmpty ? Array("assistant".utf8) : role)
        output.append("\",\"content\":\"")
        output.append(contentsOf: bytes)
        output.append("\"},\"finish_reason\":")
        appendReason(to: &output)
        output.append("}]")
    }

    /// The model that the gateway named, or `nil` before its first chunk.
    public var modelName: String? {
        guard case .string(let name)? = try? JSONValue(parsing: metadata + [0x7D])["model"]
        else { return nil }
        return name
    }

    private func appendReason(to output: inout [UInt8]) {
        guard !finishReason.isEmpty else { return output.append("null") }
        output.append(0x22)
        output.append(contentsOf: finishReason)
        output.append(0x22)
    }

    /// All choices, put together from text and opaque chunks in their order.
    private func accumulated() -> JSONValue {
        var choices = ChoiceAccumulator()
        bytes.withUnsafeBytes { bytes in
            forEachPiece { start, end in
                choices.appendText(JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[start..<end])), to: 0)
            } opaque: { entry in
                choices.append(
                    chunk: UnsafeRawBufferPointer(rebasing: bytes[entry.start..<(entry.start &+ entry.count)]))
            }
        }
        if !role.isEmpty { choices.setRole(role.withUnsafeBytes(JSONText.string), of: 0) }
        if !finishReason.isEmpty { choices.setReason(finishReason.withUnsafeBytes(JSONText.string), of: 0) }
        return choices.value
    }

    private func forEachPiece(text: (Int, Int) -> Void, opaque visit: (Opaque) -> Void) {
        var position = 0
        for entry in opaque {
            if position < entry.start { text(position, entry.start) }
            visit(entry)
            position = entry.start &+ entry.count
        }
        if position < bytes.count { text(position, bytes.count) }
    }
}
