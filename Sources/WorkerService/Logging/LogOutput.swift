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
        LoggingSystem.bootstrap { label in LineLogHandler(label: label, isText: isText, journal: journal) }
    }

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

/// Writes one line an event to standard error, with one `write`, so that lines of threads never mix.
struct LineLogHandler: LogHandler {
    let label: String
    let isText: Bool
    let journal: Journal?
    /// Of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(label: String, isText: Bool, journal: Journal? = nil) {
        self.label = label
        self.isText = isText
        self.journal = journal
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
        // What the journal does not take goes where it went before it was asked.
        if let journal, journal.write(event.level, label, event.message.description, all) { return }
        var line =
            isText
            ? LogLine.text(event.level, event.message.description, all)
            : LogLine.json(event.level, label, event.message.description, all)
        line.append(0x0A)
        line.withUnsafeBytes { bytes in
            // A log that cannot be written (a full disk, a closed pipe) must not stop the worker.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
