extension AnswerLog {
    /// Writes the next message of this attempt to the end of `output`: an opaque chunk as it came, or one chunk that
    /// joins all text up to the next opaque one. `false` where nothing waits.
    ///
    /// `decodedTextSent` before the call is the message's `x-offset`.
    public mutating func takeChunk(into output: inout [UInt8]) -> Bool {
        let next = cursor.opaqueIndex < opaque.count ? opaque[cursor.opaqueIndex] : nil
        let endRun = next?.run ?? runs.count
        let end = next.map { runs[$0.run].start } ?? bytes.count
        if let next, end == cursor.position {
            takeOpaque(next, into: &output)
            return true
        }
        let finishes = next == nil && owesFinish
        guard cursor.position < end || finishes else { return false }
        if isPlain(before: endRun), !finishes {
            takeText(to: end, into: &output)
        } else {
            takeJoined(to: end, before: endRun, finishes: finishes, into: &output)
        }
        cursor.position = end
        cursor.run = max(min(endRun, runs.count &- (next == nil ? 1 : 0)), 0)
        cursor.chunk = chunkNumber
        return true
    }

    private mutating func takeOpaque(_ next: Opaque, into output: inout [UInt8]) {
        let end = end(of: next.run)
        output.append(contentsOf: bytes[runs[next.run].start..<end])
        cursor.position = end
        cursor.run = min(next.run &+ 1, runs.count &- 1)
        cursor.opaqueIndex &+= 1
        cursor.decodedText &+= next.decodedText
    }

    func end(of run: Int) -> Int { run &+ 1 < runs.count ? runs[run &+ 1].start : bytes.count }

    // MARK: Plain text

    /// Nothing waits but text of choice 0.
    @inline(__always)
    private func isPlain(before endRun: Int) -> Bool {
        guard lastTold <= cursor.chunk, cursor.run < endRun else { return false }
        // Mostly the one run that grows; one that was taken whole may stand before it.
        for run in cursor.run..<endRun where runs[run].lane != 0 && end(of: run) > cursor.position { return false }
        return true
    }

    @inline(__always)
    private mutating func takeText(to end: Int, into output: inout [UInt8]) {
        output.append(contentsOf: metadata.textHead)
        for place in choices.indices where choices[place].index == 0 {
            if !choices[place].sentRole, !choices[place].role.isEmpty { sendRole(place, into: &output) }
            break
        }
        output.append("\"content\":\"")
        append(text: cursor.position..<end, into: &output)
        output.append("\"},\"finish_reason\":null}]}")
    }

    private mutating func sendRole(_ place: Int, into output: inout [UInt8]) {
        choices[place].sentRole = true
        output.append("\"role\":\"")
        output.append(contentsOf: choices[place].role)
        output.append("\",")
    }

    /// Text of choice 0, which is counted.
    @inline(__always)
    private mutating func append(text range: Range<Int>, into output: inout [UInt8]) {
        let hasEscapes = lanes[0].hasEscapes
        cursor.decodedText &+= bytes.withUnsafeBytes { bytes in
            let text = UnsafeRawBufferPointer(rebasing: bytes[range])
            output.append(contentsOf: text)
            return hasEscapes ? JSONText.decodedCount(text) : text.count
        }
    }

    // MARK: Anything else

    /// One chunk of all strings that wait, choice by choice, and of what stands beside them.
    private mutating func takeJoined(to end: Int, before endRun: Int, finishes: Bool, into output: inout [UInt8]) {
        for lane in lanes.indices { lanes[lane].isPending = false }
        if cursor.run < endRun {
            for run in cursor.run..<endRun where self.end(of: run) > cursor.position {
                lanes[runs[run].lane].isPending = true
            }
        }
        output.append(contentsOf: metadata.chunkHead)
        if members.has(after: cursor.chunk) {
            output.append(0x2C)
            members.append(after: cursor.chunk, to: &output)
            output.removeLast()
        }
        if usageChunk > cursor.chunk {
            output.append(",\"usage\":")
            output.append(contentsOf: usage)
        }
        output.append(",\"choices\":[")
        for place in choices.indices { takeChoice(place, end, endRun, finishes: finishes, into: &output) }
        if output.last == 0x2C { output.removeLast() }
        output.append("]}")
        if finishes { cursor.sentFinish = true }
    }

    private mutating func takeChoice(
        _ place: Int, _ end: Int, _ endRun: Int, finishes: Bool, into output: inout [UInt8]
    ) {
        let index = choices[place].index
        let ends = finishes && !choices[place].finish.isEmpty
        let speaks = lanes.contains { $0.isPending && $0.choice == index }
        let tells =
            choices[place].members.has(after: cursor.chunk) || choices[place].deltaMembers.has(after: cursor.chunk)
        guard ends || speaks || tells else { return }
        output.append("{\"index\":")
        output.append(decimal: Int(index))
        output.append(",\"delta\":{")
        if speaks, !choices[place].sentRole, !choices[place].role.isEmpty { sendRole(place, into: &output) }
        choices[place].deltaMembers.append(after: cursor.chunk, to: &output)
        for lane in lanes.indices where lanes[lane].isPending && lanes[lane].choice == index {
            takeString(lane, end, endRun, into: &output)
        }
        takeCalls(of: index, end, endRun, into: &output)
        if output.last == 0x2C { output.removeLast() }
        output.append("},\"finish_reason\":")
        if ends { appendReason(of: choices[place], to: &output) } else { output.append("null") }
        output.append(0x2C)
        choices[place].members.append(after: cursor.chunk, to: &output)
        output.removeLast()
        output.append("},")
    }

    /// `"content":"…",` or another member that is a string.
    private mutating func takeString(_ lane: Int, _ end: Int, _ endRun: Int, into output: inout [UInt8]) {
        switch lanes[lane].kind {
        case .content: output.append("\"content\":\"")
        case .member:
            output.append(0x22)
            output.append(contentsOf: lanes[lane].key)
            output.append("\":\"")
        case .arguments, .call: return
        }
        takeRuns(of: lane, end, endRun, into: &output)
        output.append("\",")
    }

    private mutating func takeRuns(of lane: Int, _ end: Int, _ endRun: Int, into output: inout [UInt8]) {
        for run in cursor.run..<endRun where runs[run].lane == lane {
            let range = max(runs[run].start, cursor.position)..<max(self.end(of: run), cursor.position)
            if lane == 0 { append(text: range, into: &output) } else { output.append(contentsOf: bytes[range]) }
        }
    }

    /// `"tool_calls":[…],` of what waits.
    private mutating func takeCalls(of index: Int32, _ end: Int, _ endRun: Int, into output: inout [UInt8]) {
        var isFirst = true
        for place in calls.calls.indices where calls[place].choice == index {
            var begins = false
            var arguments: Int?
            for lane in lanes.indices where lanes[lane].isPending {
                guard lanes[lane].call == place else { continue }
                if lanes[lane].kind == .call { begins = true } else { arguments = lane }
            }
            guard begins || arguments != nil else { continue }
            output.append(isFirst ? "\"tool_calls\":[" : ",")
            isFirst = false
            takeCall(place, arguments, end, endRun, into: &output)
        }
        if !isFirst { output.append("],") }
    }

    private mutating func takeCall(
        _ place: Int, _ arguments: Int?, _ end: Int, _ endRun: Int, into output: inout [UInt8]
    ) {
        output.append("{\"index\":")
        output.append(decimal: Int(calls[place].index))
        output.append(0x2C)
        if !calls[place].sentID, !calls[place].id.isEmpty {
            calls[place].sentID = true
            output.append("\"id\":\"")
            output.append(contentsOf: calls[place].id)
            output.append("\",")
        }
        let isNamed = !calls[place].sentName && !calls[place].name.isEmpty
        if isNamed {
            calls[place].sentName = true
            output.append("\"type\":\"")
            output.append(contentsOf: calls[place].type.isEmpty ? Array("function".utf8) : calls[place].type)
            output.append("\",\"function\":{\"name\":\"")
            output.append(contentsOf: calls[place].name)
            output.append("\",\"arguments\":\"")
        } else {
            output.append("\"function\":{\"arguments\":\"")
        }
        if let arguments { takeRuns(of: arguments, end, endRun, into: &output) }
        output.append("\"}}")
    }

    /// The finish reason of a choice in OpenAI's words; `null` where it has none, or was broken off.
    func appendReason(of choice: Choice, to output: inout [UInt8]) {
        guard !choice.finish.isEmpty,
            case .complete(let word) = choice.finish.withUnsafeBytes({ FinishReason(raw: $0) })
        else { return output.append("null") }
        output.append(0x22)
        output.append(contentsOf: word.rawValue.utf8)
        output.append(0x22)
    }
}

extension [UInt8] {
    /// Appends a number that is not negative, without a `String`.
    mutating func append(decimal number: Int) {
        if number > 9 { append(decimal: number / 10) }
        append(0x30 &+ UInt8(truncatingIfNeeded: number % 10))
    }
}
