import AMQP
import Glibc
import Logging

/// The one place that writes the log: a thread of its own, so that no event loop and no thread of a connection waits for
/// whoever reads it. `add` never blocks; `LogQueue` says what becomes of lines that nobody takes.
final class LogWriter: Sendable {
    static let droppedMessage = "log lines were dropped: they are read more slowly than they come"
    /// Of lines that wait: a few seconds of a very busy worker.
    static let standardLimit = 4 << 20

    private let queue: Monitor<LogQueue>
    private let descriptor: Int32
    private let journal: Journal?
    private let isText: Bool
    private let thread = OwnedThread()

    /// - Parameters:
    ///   - descriptor: where lines go.
    ///   - journal: asked first for entries.
    ///   - limit: bytes of lines that wait.
    init(
        descriptor: Int32 = STDERR_FILENO, journal: Journal? = nil, isText: Bool = false, limit: Int = standardLimit
    ) {
        self.descriptor = descriptor
        self.journal = journal
        self.isText = isText
        queue = Monitor(LogQueue(limit: limit))
    }

    /// Lives as long as the process. Throws where the system has no thread left.
    func start() throws {
        // Detached: nobody can wait for the end of a write that may never return.
        try thread.start(name: "log-writer", isDetached: true) { self.run() }
    }

    /// Any thread.
    func add(_ record: LogRecord) { queue.change { $0.add(record) } }

    /// Lines that were left out since the start.
    var dropped: Int { queue.withLock { $0.dropped } }

    /// Waits for all that was added so far, and no longer than this.
    ///
    /// - Returns: whether it is written.
    @discardableResult
    func flush(atMost seconds: Int) -> Bool { queue.wait(atMost: seconds) { $0.isEmpty } }

    private func run() -> Never {
        while true {
            let records = queue.wait { queue -> [LogRecord]? in
                let records = queue.takeAll()
                return records.isEmpty ? nil : records
            }
            for record in records {
                write(record)
                queue.change { $0.written(record) }
            }
        }
    }

    private func write(_ record: LogRecord) {
        switch record {
        case .line(let bytes): write(bytes)
        case .entry(let entry, let line):
            // What the journal does not take goes where it went before it was asked.
            if journal?.write(entry) != true { write(line) }
        case .dropped(let count):
            write(
                LogLine.record(
                    .warning, "chat-worker", Self.droppedMessage, ["count": "\(count)"], isText: isText,
                    forJournal: journal != nil))
        }
    }

    /// One `write`, so that lines never mix with what others say there, unless the descriptor takes less.
    private func write(_ line: [UInt8]) {
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = Glibc.poll(&poll, 1, -1)
                } else if errno != EINTR {
                    // A log that cannot be written (a full disk, a closed pipe) must not stop the worker.
                    return
                }
            }
        }
    }
}
