import Glibc
import Logging

/// Where log lines go and how they look: text for people on a terminal, one JSON object a line otherwise.
public enum LogOutput {
    /// Call once, before the first logger is made.
    public static func bootstrap(
        format: WorkerConfiguration.Worker.LogFormat, level: WorkerConfiguration.Worker.LogLevel
    ) {
        let isText =
            switch format {
            case .text: true
            case .json: false
            case .auto: isatty(STDERR_FILENO) == 1
            }
        let level = Logger.Level(rawValue: level.rawValue) ?? .info
        LoggingSystem.bootstrap { label in LineLogHandler(label: label, isText: isText, logLevel: level) }
    }
}

/// Writes one line an event to standard error, with one `write`, so that lines of threads never mix.
struct LineLogHandler: LogHandler {
    let label: String
    let isText: Bool
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(label: String, isText: Bool, logLevel: Logger.Level) {
        self.label = label
        self.isText = isText
        self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
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
