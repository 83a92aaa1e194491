internal import ChatModel

/// The input is what a gateway sends: messages with a line break between them. Behind a message byte 1 takes one chunk
/// out, byte 2 takes all that waits, and byte 3 begins the next attempt.
///
/// The scanner accepts only JSON. What is taken out is JSON too, however text was joined and attempts were cut, it adds
/// up to the final text, and the offsets of the chunks count what was taken before them.
enum AnswerCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        var answer = Answer()
        var start = 0
        for index in 0...input.count {
            let byte = index < input.count ? input[index] : 0x0A
            guard byte == 0x0A || (1...3).contains(byte) else { continue }
            try answer.receive(UnsafeRawBufferPointer(rebasing: input[start..<index]))
            start = index + 1
            switch byte {
            case 1: try answer.take()
            case 2: while try answer.take() {}
            case 3: answer.rewind()
            default: break
            }
        }
        try answer.finish()
    }

    /// An answer as it is filled and taken, and what a reader makes of the messages of the present attempt.
    private struct Answer {
        private static let defaults = AnswerLog.Defaults(id: "fallback", model: "m", created: 5)
        private var log = AnswerLog(defaults: defaults)
        private var copy = AnswerLog(defaults: defaults)
        /// The same chunks, each scanned.
        private var reference = AnswerLog(defaults: defaults)
        /// Of an answer of several choices, as `FrameScanner.scan` reads them.
        private var memory = FrameMemory(choiceCount: 2)
        private var text: [UInt8] = []
        private var hasOpaque = false
        private var reasonsTaken = 0

        mutating func receive(_ message: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            let result = FrameScanner.scan(message)
            var utf8 = UTF8Validator()
            guard utf8.consume(message), utf8.isAtBoundary else { return }
            try Self.compare(result, message)
            let found = memory.scan(message)
            guard case .chunk(let chunk) = result else {
                if case .more = found { throw BrokenInvariant(description: "what is recognised is a chunk") }
                return
            }
            try Self.judge(chunk, message)
            hasOpaque = hasOpaque || !chunk.isJoinable
            if case .more(let text) = found {
                log.append(text, in: message)
            } else {
                try require(found == .chunk && memory.chunk == chunk, "what is not recognised is scanned")
                log.append(chunk, in: message)
            }
            reference.append(chunk, in: message)
            try require(
                reference.outputBytes == log.outputBytes && reference.outputChunks == log.outputChunks,
                "a chunk that is recognised counts as one that is scanned")
        }

        mutating func rewind() {
            log.rewind()
            copy = AnswerLog(defaults: Self.defaults)
            text = []
            reasonsTaken = 0
        }

        /// Takes one message; `false` where nothing waits.
        @discardableResult
        mutating func take() throws(BrokenInvariant) -> Bool {
            try require(log.decodedTextSent == text.count, "an offset counts the text that was taken")
            let waits = log.hasPending
            var bytes: [UInt8] = []
            guard log.takeChunk(into: &bytes) else {
                try require(!waits, "what waits can be taken")
                return false
            }
            try require(waits && log.hasSent, "what was taken had waited")
            let result = bytes.withUnsafeBytes { bytes in
                Result { () throws(BrokenInvariant) in try read(bytes) }
            }
            try result.get()
            return true
        }

        private mutating func read(_ message: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            guard case .chunk(let chunk) = FrameScanner.scan(message) else {
                throw BrokenInvariant(description: "what is taken is a chunk")
            }
            if chunk.isJoinable {
                let isStrict = (try? JSONValue(parsing: message)) != nil
                try require(isStrict || hasOpaque, "what was joined is strict JSON")
            } else {
                try require(hasOpaque, "only what came so cannot be joined")
            }
            reasonsTaken += chunk.finishReason.isEmpty ? 0 : 1
            try require(reasonsTaken <= 1, "a choice ends once")
            for piece in chunk.contentPieces { JSONText.decode(message[piece]) { text.append(contentsOf: $0) } }
            copy.append(chunk, in: message)
        }

        /// Takes the rest, then everything once more.
        mutating func finish() throws(BrokenInvariant) {
            log.end()
            while try take() {}
            let first = text
            try compareCompletion()
            rewind()
            while try take() {}
            try require(text == first, "every attempt says the same text")
            reference.end()
            try require(
                reference.contentSHA256() == log.contentSHA256()
                    && Self.completion(reference) == Self.completion(log),
                "a chunk that is recognised is as one that is scanned")
        }

        /// What the worker says at the end is what a reader has gathered from the chunks.
        private mutating func compareCompletion() throws(BrokenInvariant) {
            copy.end()
            try require(String(validating: text, as: UTF8.self) != nil, "the text is UTF-8")
            try require(copy.contentSHA256() == log.contentSHA256(), "the hash is that of the chunks' text")
            guard let mine = Self.completion(log), let theirs = Self.completion(copy) else {
                throw BrokenInvariant(description: "the completion is strict JSON")
            }
            try require(
                Self.choices(mine) == Self.choices(theirs),
                "the choices are those of the chunks: \(Self.text(mine)) is not \(Self.text(theirs))")
            let content = mine["choices"]?.arrayValue?.first { $0["index"]?.integerValue == 0 }?["message"]?["content"]
            try require(
                Array((content?.stringValue ?? "").utf8) == text, "the final text is the text of the chunks")
        }

        private static func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }

        private static func completion(_ log: AnswerLog) -> JSONValue? {
            guard log.count > 0 || log.hasPending || log.hasSent else { return .object([]) }
            var body: [UInt8] = []
            log.appendCompletion(to: &body)
            return try? JSONValue(parsing: body + [0x7D])
        }

        /// Without roles, and without a choice that has nothing else: one that comes behind the last text, or alone, is
        /// not sent.
        private static func choices(_ completion: JSONValue) -> [JSONValue] {
            (completion["choices"]?.arrayValue ?? []).compactMap { choice in
                guard case .object(let members)? = choice["message"] else { return choice }
                let others = members.filter { member in
                    member.key != "role"
                        && !(member.key == "content" && (member.value.isNull || member.value == .string("")))
                }
                let reason = choice["finish_reason"] ?? .null
                if others.isEmpty, reason.isNull { return nil }
                return .array([choice["index"] ?? .null, reason, .object(others)])
            }
        }

        /// The scanner and the parser of trees agree on what is JSON, but for the keys that stand twice.
        private static func compare(_ result: ScanResult, _ message: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            let parsed = Result { () throws(JSONError) in try JSONValue(parsing: message) }
            switch (result, parsed) {
            case (.done, _), (.invalid, .failure), (.invalid, .success(.object)): return
            case (.invalid(let error), .success):
                try require(error.reason == .tooDeep, "only an object can have the wrong shape")
            case (_, .failure(let error)):
                try require(error.reason == .duplicateKey, "the scanner accepts only JSON: \(error)")
            case (.chunk, .success(let value)):
                try require(value["choices"] != nil || value["usage"] != nil, "a chunk has choices or usage")
            case (.error, .success), (.other, .success): return
            }
        }

        private static func judge(_ chunk: ScannedChunk, _ message: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            for range in [
                chunk.id, chunk.model, chunk.created, chunk.systemFingerprint, chunk.serviceTier, chunk.usage,
                chunk.content, chunk.finishReason,
            ] + chunk.contentPieces { try require(range.end <= message.count, "a range lies in its message") }
            try require(!chunk.usage.isEmpty || chunk.hasChoices || chunk.content.isEmpty, "text stands in choices")
        }
    }
}
