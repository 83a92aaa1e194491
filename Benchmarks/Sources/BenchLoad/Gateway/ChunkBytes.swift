/// Text frames with chunks as OpenAI's API sends them.
struct ChunkBytes {
    private let opening = Array("{\"id\":\"chatcmpl-".utf8)
    private let middle = Array(
        """
        ","object":"chat.completion.chunk","created":1760000000,"model":"bench","system_fingerprint":"fp_bench","choices":[
        """.utf8)
    private let choice = Array("{\"index\":0,\"delta\":".utf8)
    private let contentKey = Array("{\"content\":\"".utf8)
    private let contentEnd = Array("\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}".utf8)
    private let roleEnd = Array(
        """
        {"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}
        """.utf8)
    private let finishEnd = Array("{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}".utf8)

    /// Each returns where it ended.
    func role(_ client: Client, into output: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
        message(client, output, start, choice.count + roleEnd.count) { place in
            put(choice, output, &place)
            put(roleEnd, output, &place)
        }
    }

    /// The next token of a client; after the last one the end of its answer.
    func token(_ client: Client, _ now: UInt64, into output: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
        var digits = Digits()
        digits.put(UInt8(ascii: " "))
        digits.put(UInt64(client.next))
        digits.put(UInt8(ascii: ":"))
        digits.put(now)
        let end = message(
            client, output, start, choice.count + contentKey.count + digits.count + contentEnd.count
        ) { place in
            put(choice, output, &place)
            put(contentKey, output, &place)
            digits.copy(to: output, &place)
            put(contentEnd, output, &place)
        }
        client.next += 1
        client.remaining -= 1
        return client.remaining == 0 ? finish(client, output, end) : end
    }

    private func finish(_ client: Client, _ output: UnsafeMutableRawBufferPointer, _ start: Int) -> Int {
        let end = message(client, output, start, choice.count + finishEnd.count) { place in
            put(choice, output, &place)
            put(finishEnd, output, &place)
        }
        let usage = Array(
            """
            ],"usage":{"prompt_tokens":20,"completion_tokens":\(client.next),"total_tokens":\(client.next + 20)}}
            """.utf8)
        return message(client, output, end, usage.count) { place in put(usage, output, &place) }
    }

    /// A frame's head, the beginning that all chunks share, and the rest.
    @inline(__always)
    private func message(
        _ client: Client, _ output: UnsafeMutableRawBufferPointer, _ start: Int, _ rest: Int,
        _ write: (inout Int) -> Void
    ) -> Int {
        var place = head(opening.count + Digits.idCount + middle.count + rest, output, start)
        put(opening, output, &place)
        var id = Digits()
        id.put(client.answer)
        id.copy(to: output, &place)
        put(middle, output, &place)
        write(&place)
        return place
    }

    /// A frame's head; 126 to 65,535 bytes follow.
    private func head(_ count: Int, _ output: UnsafeMutableRawBufferPointer, _ place: Int) -> Int {
        output[place] = 0x81
        output[place + 1] = 126
        output[place + 2] = UInt8(count >> 8)
        output[place + 3] = UInt8(count & 0xFF)
        return place + 4
    }

    private func put(_ bytes: [UInt8], _ output: UnsafeMutableRawBufferPointer, _ place: inout Int) {
        UnsafeMutableRawBufferPointer(rebasing: output[place...]).copyBytes(from: bytes)
        place += bytes.count
    }
}

/// Text that is put together from its end.
private struct Digits {
    private var bytes = [64 of UInt8](repeating: 0)
    private(set) var count = 0
    /// Of an answer's number.
    static let idCount = 12

    mutating func put(_ byte: UInt8) {
        count += 1
        bytes[64 - count] = byte
    }

    mutating func put(_ number: UInt64) {
        var rest = number
        repeat {
            put(UInt8(rest % 10) + 0x30)
            rest /= 10
        } while rest > 0
    }

    func copy(to output: UnsafeMutableRawBufferPointer, _ place: inout Int) {
        for index in (64 - count)..<64 {
            output[place] = bytes[index]
            place += 1
        }
    }
}
