import Glibc

/// The unix socket of the admin server: one process has it. Binding takes the name away from whoever listens there, so a lock
/// beside it, held until the process ends, says whose it is, and nobody takes it from a process that answers. Any thread.
final class AdminSocket: Sendable {
    struct Taken: Error, CustomStringConvertible {
        var description: String
    }

    private let path: String
    private let lock: Int32

    /// - Throws: `Taken`, where somebody else listens there, or the folder cannot be written.
    init(_ path: String) throws(Taken) {
        let lockPath = path + ".lock"
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else {
            throw Taken(description: "cannot make \(lockPath): \(String(cString: strerror(errno)))")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw Taken(description: "another worker listens at \(path)")
        }
        guard !Self.answers(path) else {
            close(lock)
            throw Taken(description: "another process listens at \(path)")
        }
        self.path = path
        self.lock = lock
    }

    /// Nobody listens there any more.
    func release() {
        unlink(path)
        // The lock's file stays: whoever removed it could remove the one that another has just locked.
        close(lock)
    }

    /// Whether somebody accepts connections there.
    static func answers(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        return code == 0
    }
}
