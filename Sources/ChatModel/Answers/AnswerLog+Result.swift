internal import Crypto

extension AnswerLog {
    /// SHA-256 of choice 0's decoded text, as 64 hexadecimal digits: the `content_sha256` of the result.
    public func contentSHA256() -> String {
        var hash = SHA256()
        forEachPiece(ofLane: 0) { piece in JSONText.decode(piece) { hash.update(bufferPointer: $0) } }
        return hash.finalize().reduce(into: "") { text, byte in
            text += String(UnicodeScalar(Self.hexadecimal[Int(byte &>> 4)]))
            text += String(UnicodeScalar(Self.hexadecimal[Int(byte & 15)]))
        }
    }

    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// The text of a string so far, decoded.
    func decodedText(of lane: Int) -> [UInt8] {
        var text: [UInt8] = []
        forEachPiece(ofLane: lane) { piece in JSONText.decode(piece) { text.append(contentsOf: $0) } }
        return text
    }

    /// The pieces of a string in their order; of `content` also those in opaque chunks.
    private func forEachPiece(ofLane lane: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { bytes in
            for run in runs.indices {
                let range = runs[run].start..<end(of: run)
                if runs[run].lane == lane {
                    body(UnsafeRawBufferPointer(rebasing: bytes[range]))
                } else if runs[run].lane < 0 {
                    forEachPiece(ofLane: lane, inOpaque: UnsafeRawBufferPointer(rebasing: bytes[range]), body)
                }
            }
        }
    }

    private func forEachPiece(
        ofLane lane: Int, inOpaque message: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        guard lanes[lane].kind == .content, case .chunk(let chunk) = FrameScanner.scan(message) else { return }
        for part in chunk.parts where part.kind == .content && part.choice == lanes[lane].choice {
            body(message[part.value])
        }
    }

    /// The start of an OpenAI `chat.completion`, open for more members: `{"id":…,"object":"chat.completion",…,"choices":[…]`.
    public func appendCompletion(to output: inout [UInt8]) {
        output.append(contentsOf: metadata.completionHead)
        // `job` is ours, and usage is said by whoever goes on.
        members.appendAll(besides: ["job", "usage"], to: &output)
        output.append(",\"choices\":")
        appendChoices(to: &output)
    }

    /// The `choices` of a `chat.completion`, as far as they have come. Text is copied, not decoded.
    public func appendChoices(to output: inout [UInt8]) {
        guard hasBegun else { return output.append("[]") }
        var builder = ChoiceBuilder()
        for choice in choices { builder.begin(choice.index) }
        if choices.isEmpty { builder.begin(0) }
        bytes.withUnsafeBytes { bytes in
            for run in runs.indices {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[runs[run].start..<end(of: run)])
                if runs[run].lane < 0 {
                    builder.append(opaque: piece)
                } else {
                    append(piece, of: lanes[runs[run].lane], to: &builder)
                }
            }
        }
        for message in untold { message.withUnsafeBytes { builder.append(membersOf: $0) } }
        output.append(0x5B)
        for (place, built) in builder.sorted.enumerated() {
            if place > 0 { output.append(0x2C) }
            append(built, to: &output)
        }
        output.append(0x5D)
    }

    private func append(_ piece: UnsafeRawBufferPointer, of lane: AnswerLane, to builder: inout ChoiceBuilder) {
        switch lane.kind {
        case .content: builder.append(piece, to: "content", of: lane.choice)
        case .member: builder.append(piece, to: lane.key.withUnsafeBytes(JSONText.string), of: lane.choice)
        case .arguments: builder.append(arguments: piece, of: calls[lane.call].index, choice: lane.choice)
        case .call: builder.begin(call: calls[lane.call].index, choice: lane.choice)
        }
    }

    private func append(_ built: ChoiceBuilder.Choice, to output: inout [UInt8]) {
        let known = choices.first { $0.index == built.index }
        output.append("{\"index\":")
        output.append(decimal: Int(built.index))
        output.append(",\"message\":{\"role\":\"")
        let role = known?.role ?? []
        output.append(contentsOf: role.isEmpty ? Array("assistant".utf8) : role)
        output.append("\",\"content\":")
        built.appendContent(to: &output)
        built.appendMembers(calls, to: &output)
        known?.deltaMembers.appendAll(besides: built.names, to: &output)
        output.append("},\"finish_reason\":")
        if let known { appendReason(of: known, to: &output) } else { output.append("null") }
        if let logprobs = built.logprobs {
            output.append(",\"logprobs\":")
            logprobs.append(to: &output)
        }
        known?.members.appendAll(besides: ["message", "index", "delta"], to: &output)
        appendNativeReason(of: known, to: &output)
        output.append(0x7D)
    }

    /// The gateway's own word, where it is not OpenAI's.
    private func appendNativeReason(of choice: Choice?, to output: inout [UInt8]) {
        guard let choice, !choice.finish.isEmpty, !choice.members.contains("native_finish_reason") else { return }
        if case .complete(let word) = choice.finish.withUnsafeBytes({ FinishReason(raw: $0) }),
            choice.finish.elementsEqual(word.rawValue.utf8)
        {
            return
        }
        output.append(",\"native_finish_reason\":\"")
        output.append(contentsOf: choice.finish)
        output.append(0x22)
    }

    /// The model's own filter ended the answer.
    public var isFiltered: Bool {
        choices.contains { choice in
            choice.index == 0 && !choice.finish.isEmpty
                && choice.finish.withUnsafeBytes { FinishReason(raw: $0) } == .complete(.contentFilter)
        }
    }
}
