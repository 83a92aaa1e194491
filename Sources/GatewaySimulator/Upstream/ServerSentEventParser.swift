/// Takes the `data` of server-sent events out of a byte stream that is cut anywhere (WHATWG HTML, section 9.2.6).
///
/// Lines end with LF, CR or CRLF; comments and other fields are skipped; several `data` lines are one event. Unlike a
/// browser it also gives out an event that the end of the stream cut off from its blank line.
struct ServerSentEventParser {
    /// An event is larger than was allowed.
    struct TooLarge: Error, Equatable {}

    private let maximumEventSize: Int
    private var line: [UInt8] = []
    private var data: [UInt8]?
    private var lastWasCR = false
    private var isFirstLine = true

    init(maximumEventSize: Int = 1 << 20) {
        self.maximumEventSize = maximumEventSize
    }

    /// The events that these bytes complete.
    mutating func consume(_ bytes: some Sequence<UInt8>) throws(TooLarge) -> [[UInt8]] {
        var events: [[UInt8]] = []
        for byte in bytes {
            let followsCR = lastWasCR
            lastWasCR = byte == 0x0D
            if byte == 0x0A, followsCR { continue }
            if byte == 0x0A || byte == 0x0D {
                endLine(into: &events)
            } else {
                line.append(byte)
                guard line.count + (data?.count ?? 0) <= maximumEventSize else { throw TooLarge() }
            }
        }
        return events
    }

    /// The stream has ended: the event that its blank line is missing from, if there is one.
    mutating func finish() -> [[UInt8]] {
        var events: [[UInt8]] = []
        if !line.isEmpty { endLine(into: &events) }
        endLine(into: &events)
        return events
    }

    private mutating func endLine(into events: inout [[UInt8]]) {
        defer {
            line.removeAll(keepingCapacity: true)
            isFirstLine = false
        }
        var content = line[...]
        if isFirstLine, content.starts(with: [0xEF, 0xBB, 0xBF]) { content = content.dropFirst(3) }
        if content.isEmpty {
            if let complete = data { events.append(complete) }
            data = nil
            return
        }
        guard content.starts(with: "data".utf8) else { return }
        content = content.dropFirst(4)
        guard content.isEmpty || content.first == 0x3A else { return }
        content = content.dropFirst()
        if content.first == 0x20 { content = content.dropFirst() }
        data = data.map { $0 + [0x0A] + content } ?? Array(content)
    }
}
