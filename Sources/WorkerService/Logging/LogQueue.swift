/// What is still to be written of the log, up to a limit. Pure.
///
/// A log may be read slowly, or not at all: a pipe is full, journald hangs. Nobody waits for that; what has no room is left
/// out and counted, and a later line says how many lines were.
struct LogQueue {
    /// Of what is taken and of what waits.
    let limit: Int
    private var waiting: [LogRecord] = []
    private var bytes = 0
    /// Lines that were left out and that no line has told of.
    private var untold = 0
    private var isFull = false
    /// Lines that were left out since the start.
    private(set) var dropped = 0

    init(limit: Int) { self.limit = limit }

    /// Nothing waits and nothing is being written.
    var isEmpty: Bool { bytes == 0 && waiting.isEmpty && untold == 0 }

    /// Takes a line in, or leaves it out. Once full, it takes lines again when half of it is written: whoever reads gets
    /// long runs of lines, and not a word about lost ones after each.
    mutating func add(_ record: LogRecord) {
        if isFull, bytes > limit / 2 { return drop() }
        isFull = false
        guard bytes + record.size <= limit else {
            isFull = true
            return drop()
        }
        if untold > 0 { tell() }
        bytes += record.size
        waiting.append(record)
    }

    /// All that waits, in its order; `written` has to follow for each.
    mutating func takeAll() -> [LogRecord] {
        if waiting.isEmpty, untold > 0 { tell() }
        defer { waiting = [] }
        return waiting
    }

    mutating func written(_ record: LogRecord) { bytes -= record.size }

    private mutating func drop() {
        untold += 1
        dropped += 1
    }

    private mutating func tell() {
        let record = LogRecord.dropped(untold)
        untold = 0
        bytes += record.size
        waiting.append(record)
    }
}

/// A line of the log on its way.
enum LogRecord: Sendable, Equatable {
    /// As it is written.
    case line([UInt8])
    /// An entry for the journal, and the line to write where the journal does not take it.
    case entry([UInt8], line: [UInt8])
    /// So many lines are missing here.
    case dropped(Int)

    /// Bytes that it keeps, with a little for itself.
    var size: Int {
        switch self {
        case .line(let bytes): bytes.count + 64
        case .entry(let entry, let line): entry.count + line.count + 64
        case .dropped: 64
        }
    }
}
