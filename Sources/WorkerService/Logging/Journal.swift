import ChatModel
import Glibc
import Logging

/// systemd's journal, asked in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), so that `journalctl JOB_ID=...` finds
/// what concerns a job. An entry is one datagram; for a thread that may wait, since a journal that hangs takes none for a second.
final class Journal: Sendable {
    private let descriptor: Int32
    private let address: NotifyAddress

    /// `nil` where standard error does not lead to the journal, or nobody listens there.
    ///
    /// - Parameter stream: `$JOURNAL_STREAM`: device and inode of what systemd connected standard error to.
    init?(stream: String?, path: String = "/run/systemd/journal/socket", standardError: Int32 = STDERR_FILENO) {
        var status = stat()
        guard let stream, fstat(standardError, &status) == 0, stream == "\(status.st_dev):\(status.st_ino)",
            access(path, W_OK) == 0, let address = NotifyAddress(path)
        else { return nil }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        // An entry may be larger than a datagram is allowed to be at first.
        var size: Int32 = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        self.descriptor = descriptor
        self.address = address
    }

    deinit { close(descriptor) }

    /// - Returns: whether the journal has it.
    func write(_ entry: [UInt8]) -> Bool {
        address.withSocketAddress { pointer, length in
            sendto(descriptor, entry, entry.count, Int32(MSG_NOSIGNAL), pointer, length)
        } == entry.count
    }

    /// One entry: a line `NAME=value` for each field, or the name, the length in 8 bytes (little endian) and the value where
    /// that has a line end. The message says what is in the fields, too, for those who read `journalctl` without options.
    static func entry(
        _ level: Logger.Level, _ label: String, _ message: String, _ metadata: Logger.Metadata
    ) -> [UInt8] {
        let sorted = metadata.sorted { $0.key < $1.key }
        var entry: [UInt8] = []
        func add(_ name: String, _ value: [UInt8]) {
            entry.append(contentsOf: name.utf8)
            if value.contains(0x0A) {
                entry.append(0x0A)
                withUnsafeBytes(of: UInt64(value.count).littleEndian) { entry.append(contentsOf: $0) }
            } else {
                entry.append(0x3D)
            }
            entry.append(contentsOf: value)
            entry.append(0x0A)
        }
        add("MESSAGE", LogLine.sentence(message, sorted))
        add("PRIORITY", Array("\(priority(level))".utf8))
        add("SYSLOG_IDENTIFIER", Array("chat-worker".utf8))
        add("LOGGER", Array(label.utf8))
        for (key, value) in sorted { add(name(of: key), Array("\(value)".utf8)) }
        return entry
    }

    /// `job.id` is `JOB_ID`. Names begin with a letter: others would be dropped, or be the journal's own.
    static func name(of key: String) -> String {
        let letters = key.utf8.prefix(63).map { byte -> UInt8 in
            switch byte {
            case 0x61...0x7A: byte - 0x20
            case 0x30...0x39, 0x41...0x5A: byte
            default: 0x5F
            }
        }
        let name = String(decoding: letters, as: UTF8.self)
        return name.first?.isLetter == true ? name : "X" + name
    }

    /// As syslog counts.
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
