import Glibc
import JobRunner
import Logging
import Synchronization

/// Where log lines go and how they look: text for people on a terminal, entries with fields for systemd's journal, one JSON
/// object a line otherwise.
public enum LogOutput {
    /// Call once, before the first logger is made.
    public static func bootstrap(_ worker: WorkerConfiguration.Worker) {
        let isText =
            switch worker.logFormat {
            case .text: true
            case .json: false
            case .auto: isatty(STDERR_FILENO) == 1
            }
        let journal =
            worker.logFormat == .auto ? Journal(stream: getenv("JOURNAL_STREAM").map { String(cString: $0) }) : nil
        setLevels(worker)
        let writer = LogWriter(journal: journal, isText: isText)
        do {
            try writer.start()
        } catch {
            // As good as a process without threads gets.
            _ = "chat-worker: \(error); the log is lost\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
        }
        self.writer.withLock { $0 = writer }
        // Whoever ends the process has said why, and waits for that, though not for a reader that never comes.
        atexit { LogOutput.flush() }
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, isText: isText, isJournal: journal != nil, writer: writer)
        }
    }

    private static let writer = Mutex<LogWriter?>(nil)
    /// How long the end of the process waits for its last lines.
    private static let longestFlush = 2

    /// Waits until all that was logged is written, or for two seconds.
    public static func flush() { writer.withLock { $0 }?.flush(atMost: longestFlush) }

    /// Lines that were left out since the start, since nobody took them.
    static var droppedLines: Int { writer.withLock { $0 }?.dropped ?? 0 }

    /// From now on, of all loggers that have no level of their own.
    public static func setLevels(_ worker: WorkerConfiguration.Worker) {
        shared.withLock { shared in
            shared.common = Logger.Level(worker.logLevel)
            shared.byLabel = [:]
            for part in WorkerLoggers.Part.allCases {
                guard let level = worker.logLevels[part] else { continue }
                shared.byLabel[part.label] = Logger.Level(level)
            }
        }
    }

    private struct Levels {
        var common = Logger.Level.info
        var byLabel: [String: Logger.Level] = [:]
    }

    /// Asked for each entry that may be written, never for a token.
    private static let shared = Mutex(Levels())
    static func level(of label: String) -> Logger.Level { shared.withLock { $0.byLabel[label] ?? $0.common } }
}

extension Logger.Level {
    fileprivate init(_ level: WorkerConfiguration.Worker.LogLevel) { self = Self(rawValue: level.rawValue) ?? .info }
}

/// Makes one line of an event, on the thread that logs, and gives it to the writer.
struct LineLogHandler: LogHandler {
    let label: String
    let isText: Bool
    let isJournal: Bool
    let writer: LogWriter
    /// Of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(label: String, isText: Bool, isJournal: Bool, writer: LogWriter) {
        self.label = label
        self.isText = isText
        self.isJournal = isJournal
        self.writer = writer
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? LogOutput.level(of: label) }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        writer.add(
            LogLine.record(
                event.level, label, event.message.description, all, isText: isText, forJournal: isJournal))
    }
}
