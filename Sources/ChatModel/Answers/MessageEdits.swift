/// What is changed in a chunk that travels as it came, so that readers can trust it: a finish reason that may be withdrawn,
/// an index that is not what it says.
struct MessageEdits {
    private var edits: [(range: Range<Int>, text: String)] = []

    mutating func replace(_ range: ByteRange, by text: String) {
        edits.append((Int(range.start)..<range.end, text))
    }

    /// - Parameter contents: of a string, whose quotes go too.
    mutating func replaceString(_ contents: ByteRange, by text: String) {
        edits.append((Int(contents.start) - 1..<contents.end + 1, text))
    }

    mutating func setIndex(of fragment: ScannedChunk.Part, to index: Int32) {
        if fragment.key.isEmpty {
            // Nothing else in it would be no fragment.
            guard fragment.value.count > 2 else { return }
            let place = Int(fragment.value.start) + 1
            edits.append((place..<place, "\"index\":\(index),"))
        } else if index != fragment.number {
            replace(fragment.key, by: String(index))
        }
    }

    /// Appends the message as it is to travel.
    mutating func apply(to message: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        edits.sort { $0.range.lowerBound < $1.range.lowerBound }
        var position = 0
        for edit in edits where edit.range.lowerBound >= position {
            output.append(contentsOf: message[position..<edit.range.lowerBound])
            output.append(contentsOf: edit.text.utf8)
            position = edit.range.upperBound
        }
        output.append(contentsOf: message[position...])
    }
}
