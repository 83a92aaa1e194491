import ChatModel
package import NIOCore

/// Takes the `data` of server-sent events out of the body of an answer (WHATWG HTML, section 9.2.6).
///
/// Pure: no socket, no clock. Lines end with LF, CR or CRLF, a byte order mark at the start and comments are skipped, as
/// are all fields but `data`: what an event is stands in its JSON. An event of one `data` line is never copied: its range
/// in the caller's bytes is handed out. Several lines are joined with LF in `assembled`. Other than a browser it refuses
/// what is not UTF-8, and an event over the limit.
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
    private static let longestPrefix = 6
    /// Kept for the next event of several lines up to this capacity, so that thousands of connections stay small.
    private static let keptCapacity = 4096

    /// The data of an event of several lines so far.
    package private(set) var assembled = ByteBuffer()
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
                guard searched < bytes.count else { return needsMore() }
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
                return needsMore()
            }
            followsReturn = bytes[end] == Self.carriageReturn
            let line = lineStart..<end
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
            if let data { return .message(data) }
            return isAssembling ? .assembledMessage : nil
        }
        let value = Self.dataValue(of: line, in: bytes)
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
    }

    /// The value of a `data` line, without the one space that may stand before it; `nil`: another field, or a comment.
    private static func dataValue(of line: Range<Int>, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        let start = line.lowerBound
        guard line.count >= 4, bytes[start] == UInt8(ascii: "d"), bytes[start &+ 1] == UInt8(ascii: "a"),
            bytes[start &+ 2] == UInt8(ascii: "t"), bytes[start &+ 3] == UInt8(ascii: "a")
        else { return nil }
        guard line.count > 4 else { return line.upperBound..<line.upperBound }
        guard bytes[start &+ 4] == UInt8(ascii: ":") else { return nil }
        let hasSpace = line.count > 5 && bytes[start &+ 5] == UInt8(ascii: " ")
        return (start &+ (hasSpace ? 6 : 5))..<line.upperBound
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
