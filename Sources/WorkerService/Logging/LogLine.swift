import ChatModel
import Glibc
import Logging

/// The forms of a log line.
enum LogLine {
    /// What is to be written of an event that happens now.
    static func record(
        _ level: Logger.Level, _ label: String, _ message: String, _ metadata: Logger.Metadata, isText: Bool,
        forJournal: Bool
    ) -> LogRecord {
        var line = isText ? text(level, message, metadata) : json(level, label, message, metadata)
        line.append(0x0A)
        return forJournal ? .entry(Journal.entry(level, label, message, metadata), line: line) : .line(line)
    }

    /// `12:34:56.789 warning job failed  job.id=a customer=b`
    static func text(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> [UInt8] {
        var line = Array(clock().dropFirst(11).dropLast(1).utf8)
        line.append(contentsOf: " \(level.rawValue) ".utf8)
        line.append(contentsOf: sentence(message, metadata.sorted { $0.key < $1.key }))
        return line
    }

    /// `job failed  job.id=a customer=b`
    static func sentence(_ message: String, _ metadata: [(key: String, value: Logger.MetadataValue)]) -> [UInt8] {
        var line = printable(message)
        for (key, value) in metadata {
            let text = "\(value)"
            line.append(contentsOf: "  \(key)=".utf8)
            if text.isEmpty || text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x22 }) {
                JSONText.appendQuoted(text.utf8, to: &line)
            } else {
                line.append(contentsOf: printable(text))
            }
        }
        return line
    }

    /// One object: `time`, `level`, `logger`, `message`, then the metadata.
    static func json(
        _ level: Logger.Level, _ label: String, _ message: String, _ metadata: Logger.Metadata
    ) -> [UInt8] {
        var members: [JSONValue.Member] = [
            .init("time", .string(clock())), .init("level", .string(level.rawValue)), .init("logger", .string(label)),
            .init("message", .string(message)),
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            members.append(.init(key, .string("\(value)")))
        }
        return JSONValue.object(members).serialized()
    }

    /// What came from outside must not forge lines or drive a terminal.
    private static func printable(_ text: String) -> [UInt8] {
        text.utf8.map { $0 < 0x20 || $0 == 0x7F ? 0x3F : $0 }
    }

    private static func clock() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000).rfc3339
    }
}
