import ChatModel
import NIOCore

/// The beginning of a body that does not say that it is an event stream, until it is clear what it is. Pure.
///
/// Gateways send streams as `text/plain`, without a type, or with two; some ignore `stream` and send the whole answer as one
/// JSON document, or a line of JSON for each chunk.
struct AnswerBeginning {
    enum Verdict: Equatable {
        case unclear
        /// Lines of events, or of JSON.
        case stream
        /// One JSON document so far, of which all is awaited.
        case document
        /// Neither.
        case other
    }

    private(set) var bytes = ByteBuffer()
    /// A document of one line, up to a line feed that ends none, was looked at up to here.
    private var searched = 0
    private var isDocument = false

    private static let fields = ["data", "event", "id:", "retry", "error:", ":", "[DONE]"]

    mutating func append(_ more: ByteBuffer) -> Verdict {
        var more = more
        bytes.writeBuffer(&more)
        return bytes.withUnsafeReadableBytes { judge($0) }
    }

    private mutating func judge(_ input: UnsafeRawBufferPointer) -> Verdict {
        var start = 0
        if input.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
        while start < input.count, [0x20, 0x09, 0x0A, 0x0D].contains(input[start]) { start &+= 1 }
        guard start < input.count else { return input.count > Self.longestBlank ? .other : .unclear }
        let text = input[start...]
        if text.first == 0x7B || text.first == 0x5B, !text.starts(with: "[D".utf8) {
            return judgeDocument(input, from: start)
        }
        for field in Self.fields {
            if text.starts(with: field.utf8) { return .stream }
            if field.utf8.starts(with: text) { return .unclear }
        }
        return .other
    }

    /// A first line that is whole JSON, with another line behind it, is one of many.
    private mutating func judgeDocument(_ input: UnsafeRawBufferPointer, from start: Int) -> Verdict {
        guard !isDocument else { return .document }
        guard let end = input[max(start, searched)...].firstIndex(of: 0x0A) else {
            searched = input.count
            return .document
        }
        if JSONText.isWhole(UnsafeRawBufferPointer(rebasing: input[start..<end])) { return .stream }
        isDocument = true
        return .document
    }

    private static let longestBlank = 4096
}
