import ChatModel
package import NIOCore

/// Takes the `data` of server-sent events out of the body of an answer (WHATWG HTML, section 9.2.6).
///
/// Pure: no socket, no clock. Lines end with LF, CR or CRLF, a byte order mark at the start and comments are skipped, as
/// are all fields but `data` and the name `error`: what an event is stands in its JSON. An event of one `data` line is never
/// copied: its range in the caller's bytes is handed out. Several lines are joined with LF in `assembled`. Other than a
/// browser it refuses what is not UTF-8, and an event over the limit.
///
/// More than a browser it understands what some servers send: a line of JSON that is whole is an event, also if the next
/// line follows without a blank one between them, or no line follows yet; JSON that stands alone in its line is data; and
/// `error: {…}` (llama.cpp) is an error.
package struct EventStreamParser {
    package enum Event: Equatable {
        /// The data of an event of one line, in the bytes given to `next`.
        case message(Range<Int>)
        /// The data of any other event stands in `assembled`; call `discardAssembled()` after use.
        case assembledMessage
        /// Nothing after this can be trusted.
        case fault(EventStreamFault)
    }

    package enum Step: Equatable {
        /// `used` bytes at the front are done with; the others have to come again, with more behind them.
        case needsMore(used: Int)
        /// `used` bytes at the front were used up.
        case event(used: Int, Event)
    }

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    /// `data: `, which stands before the data in a line.
    private static let longestPrefix = 7
    /// Kept for the next event of several lines up to this capacity, so that thousands of connections stay small.
    private static let keptCapacity = 4096

    /// The data of an event of several lines so far.
    package private(set) var assembled = ByteBuffer()
    /// The last event that was handed out was called an error, whatever its data looks like.
    package private(set) var isError = false
    private let maximumEventSize: Int
    /// No line has ended yet: a byte order mark may stand here.
    private var isAtStart = true
    /// The last line ended with CR: an LF that follows belongs to it.
    private var followsReturn = false
    /// Where the unfinished line begins, counted from the front of the bytes.
    private var lineStart = 0
    /// Up to here there is no end of that line.
    private var searched = 0
    /// The data of the open event, where it is one line so far.
    private var data: Range<Int>?
    /// The data of the open event stands in `assembled`.
    private var isAssembling = false
    /// The open event is called an error.
    private var isOpenError = false

    /// - Parameter maximumEventSize: largest data of one event in bytes.
    package init(maximumEventSize: Int) {
        self.maximumEventSize = maximumEventSize
    }

    /// Makes room for the next event of several lines.
    package mutating func discardAssembled() {
        if assembled.capacity > Self.keptCapacity {
            assembled = ByteBuffer()
        } else {
            assembled.clear()
        }
    }

    /// Reads on to the end of the next event. `bytes` begins with what the call before did not use.
    package mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step {
        while true {
            if followsReturn {
                guard searched < bytes.count else { return pause(bytes) }
                if bytes[searched] == Self.lineFeed {
                    searched &+= 1
                    lineStart = searched
                }
                followsReturn = false
            }
            let end = Self.endOfLine(in: bytes, from: searched)
            let room = maximumEventSize &+ Self.longestPrefix &- assembled.readableBytes
            guard (end ?? bytes.count) &- lineStart <= room else {
                return .event(used: bytes.count, .fault(.eventTooLarge))
            }
            guard let end else {
                searched = bytes.count
                return pause(bytes)
            }
            let line = lineStart..<end
            // Whatever this line is, it goes on with nothing that was whole.
            if let data, !line.isEmpty, Self.isWhole(bytes[data]) {
                defer { restart() }
                return .event(used: lineStart, message(data))
            }
            followsReturn = bytes[end] == Self.carriageReturn
            searched = end &+ 1
            lineStart = searched
            if let event = take(line, of: bytes) {
                defer { restart() }
                return .event(used: lineStart, event)
            }
        }
    }

    /// What a line completes; `nil`: no event yet.
    private mutating func take(_ line: Range<Int>, of bytes: UnsafeRawBufferPointer) -> Event? {
        var line = line
        if isAtStart {
            isAtStart = false
            if bytes[line].starts(with: [0xEF, 0xBB, 0xBF]) { line = (line.lowerBound &+ 3)..<line.upperBound }
        }
        if line.isEmpty {
            if let data { return message(data) }
            isError = isOpenError
            guard isAssembling else {
                isOpenError = false
                return nil
            }
            return .assembledMessage
        }
        let value = value(of: line, in: bytes)
        // With another line behind it, whichever, the data is not the end of the input any more: it is not held there.
        if let first = data {
            data = nil
            isAssembling = true
            assembled.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[first]))
        }
        guard let value else { return nil }
        let size = isAssembling ? assembled.readableBytes &+ 1 &+ value.count : value.count
        guard size <= maximumEventSize else { return .fault(.eventTooLarge) }
        let content = UnsafeRawBufferPointer(rebasing: bytes[value])
        var utf8 = UTF8Validator()
        guard utf8.consume(content) else { return .fault(.notUTF8) }
        guard utf8.isAtBoundary else { return .fault(.cutCharacter) }
        if isAssembling {
            assembled.writeInteger(Self.lineFeed)
            assembled.writeBytes(content)
        } else {
            data = value
        }
        return nil
    }

    private mutating func message(_ data: Range<Int>) -> Event {
        isError = isOpenError
        return .message(data)
    }

    /// The body is at its end: what waits for its blank line or its last line feed, if it is whole; `nil`: nothing, or what
    /// was cut.
    ///
    /// - Parameter bytes: what `next` did not use.
    package mutating func end(_ bytes: UnsafeRawBufferPointer) -> Event? {
        if lineStart < bytes.count {
            let line = lineStart..<bytes.count
            guard data == nil, !isAssembling, let value = value(of: line, in: bytes), Self.isWhole(bytes[value])
            else { return nil }
            var utf8 = UTF8Validator()
            guard utf8.consume(UnsafeRawBufferPointer(rebasing: bytes[value])), utf8.isAtBoundary else { return nil }
            data = value
        }
        defer { restart() }
        if let data { return message(data) }
        isError = isOpenError
        return isAssembling ? .assembledMessage : nil
    }

    /// A whole JSON object or list, or the word that ends a stream.
    private static func isWhole(_ data: Slice<UnsafeRawBufferPointer>) -> Bool {
        JSONText.isWhole(UnsafeRawBufferPointer(rebasing: data)) || data.elementsEqual("[DONE]".utf8)
    }

    /// The bytes are at their end: an event that is whole need not wait for the next.
    private mutating func pause(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard let data, Self.isWhole(bytes[data]) else { return needsMore() }
        defer { restart() }
        return .event(used: lineStart, message(data))
    }

    /// What is before the unfinished line, and before the data that waits for its blank line, is done with.
    private mutating func needsMore() -> Step {
        let used = data?.lowerBound ?? lineStart
        lineStart &-= used
        searched &-= used
        data = data.map { ($0.lowerBound &- used)..<($0.upperBound &- used) }
        return .needsMore(used: used)
    }

    /// The front of the bytes is now behind the event.
    private mutating func restart() {
        searched = 0
        lineStart = 0
        data = nil
        isAssembling = false
        isOpenError = false
    }

    /// What a line brings to its event: the value of `data`, without the one space that may stand before it, or JSON that
    /// stands alone; `nil`: another field, or a comment.
    private mutating func value(of line: Range<Int>, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        if let value = Self.value(of: "data", line, in: bytes) { return value }
        switch bytes[line.lowerBound] {
        case UInt8(ascii: "{"): return line
        case UInt8(ascii: "["):
            return bytes[line].starts(with: "[{".utf8) || bytes[line].elementsEqual("[DONE]".utf8) ? line : nil
        case UInt8(ascii: "e"):
            if let name = Self.value(of: "event", line, in: bytes) {
                if bytes[name].elementsEqual("error".utf8) { isOpenError = true }
                return nil
            }
            guard let value = Self.value(of: "error", line, in: bytes), !value.isEmpty else { return nil }
            isOpenError = true
            return value
        default: return nil
        }
    }

    /// The value of a field, without the one space that may stand before it; `nil`: it is another field.
    @inline(__always)
    private static func value(
        of field: StaticString, _ line: Range<Int>, in bytes: UnsafeRawBufferPointer
    ) -> Range<Int>? {
        let count = field.utf8CodeUnitCount
        guard line.count >= count else { return nil }
        for index in 0..<count where bytes[line.lowerBound &+ index] != field.utf8Start[index] { return nil }
        let colon = line.lowerBound &+ count
        guard line.count > count else { return line.upperBound..<line.upperBound }
        guard bytes[colon] == UInt8(ascii: ":") else { return nil }
        let hasSpace = line.count > count &+ 1 && bytes[colon &+ 1] == UInt8(ascii: " ")
        return (colon &+ (hasSpace ? 2 : 1))..<line.upperBound
    }

    /// The first CR or LF, eight bytes at a time: nearly every byte of a stream is neither.
    private static func endOfLine(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index &+ 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let feeds = word ^ (ones &* UInt64(lineFeed))
            let returns = word ^ (ones &* UInt64(carriageReturn))
            let zeros = ((feeds &- ones) & ~feeds) | ((returns &- ones) & ~returns)
            if zeros & (ones &<< 7) != 0 { break }
            index &+= 8
        }
        while index < bytes.count {
            if bytes[index] == lineFeed || bytes[index] == carriageReturn { return index }
            index &+= 1
        }
        return nil
    }
}
