/// What a gateway said in words, to be compared with phrases and to be searched for a wait, and for nothing else: it may repeat
/// prompts and keys. It prints as nothing, and goes as soon as a failure has its code (`GatewayFailure.judged`).
struct RefusedText: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// So much of it is looked at, in UTF-8: providers say what is wrong before they repeat what was asked.
    static let longest = 1_024

    /// In lower case.
    let bytes: [UInt8]

    /// Texts of one refusal, one behind the other.
    init(_ texts: [String]) {
        var room = Self.longest
        var all = ""
        for text in texts where room > 0 && !text.isEmpty {
            let part = String(decoding: text.utf8.prefix(room), as: UTF8.self)
            room -= part.utf8.count
            all += all.isEmpty ? part : "\n" + part
        }
        bytes = Array(all.lowercased().utf8)
    }

    var description: String { "" }
    var debugDescription: String { "" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// - Parameter phrase: in lower case.
    func contains(_ phrase: String) -> Bool { index(behind: phrase) != nil }

    /// Where the text goes on behind the first place of `phrase`, looked for from `start` on.
    func index(behind phrase: String, from start: Int = 0) -> Int? {
        var phrase = phrase
        return phrase.withUTF8 { wanted -> Int? in
            guard let first = wanted.first, start >= 0, bytes.count - start >= wanted.count else { return nil }
            return bytes.withUnsafeBufferPointer { text -> Int? in
                var at = start
                while at <= text.count - wanted.count {
                    if text[at] == first, text[at..<(at + wanted.count)].elementsEqual(wanted) {
                        return at + wanted.count
                    }
                    at += 1
                }
                return nil
            }
        }
    }
}
