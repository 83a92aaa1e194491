package import AMQP
import ChatModel
import Glibc
package import JobRunner

/// A file to which dead letters are written before they are dropped: one JSON line each, on the disk when `append`
/// returns. What it holds is secret, so only its owner may read it.
package final class DeadLetterFile {
    private let descriptor: Int32
    private let path: String

    /// - Throws: `Unavailable` where it cannot be opened.
    package init(appendingTo path: String) throws(Unavailable) {
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        self.path = path
        guard descriptor >= 0 else { throw Self.failure(path) }
        // A line that was cut off, by a full disk for example, must not swallow the next one.
        var last: UInt8 = 0x0A
        let end = lseek(descriptor, 0, SEEK_END)
        if end > 0, pread(descriptor, &last, 1, end - 1) == 1, last != 0x0A { try write([0x0A]) }
        // The entry of a new file must survive a crash of the machine as well.
        let folder = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
        let parent = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if parent >= 0 {
            fsync(parent)
            Glibc.close(parent)
        }
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    package func append(_ letter: DeadLetter, _ delivery: Delivery) throws(Unavailable) {
        var line = JSONValue.object(DeadLetterRecord.whole(letter, delivery, withBody: true)).serialized()
        line.append(0x0A)
        try write(line)
        guard fsync(descriptor) == 0 else { throw Self.failure(path) }
    }

    private func write(_ bytes: [UInt8]) throws(Unavailable) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else {
                if written < 0, errno == EINTR { continue }
                throw Self.failure(path)
            }
            rest = rest.dropFirst(written)
        }
    }

    private static func failure(_ path: String) -> Unavailable {
        Unavailable("cannot write \(path): \(String(cString: strerror(errno)))")
    }
}
