import Glibc

/// Lines for people and programs. Unbuffered, so that a token is seen when it is there.
///
/// What cannot be written ends the program here, with a message and exit code 74: a command whose result nobody got has not
/// done what it was asked for, and one that follows something would go on for ever. That is no worse than a kill at this
/// point, which every command stands.
enum Output {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func print(_ text: String, newline: Bool = true) {
        let problem = emit(newline ? text + "\n" : text, to: STDOUT_FILENO)
        guard problem != 0 else { return }
        error("chat-worker: the output cannot be written: \(String(cString: strerror(problem)))")
        // Not `exit`: other threads may be at work, and nothing here waits in a buffer.
        _exit(Exit.output)
    }

    /// Where that cannot be written, nobody can be told.
    static func error(_ text: String) { _ = emit(text + "\n", to: STDERR_FILENO) }

    /// - Returns: `errno`, or 0.
    private static func emit(_ text: String, to descriptor: Int32) -> Int32 {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if written == 0 {
                return EIO
            } else if errno == EAGAIN {
                // The other side has made the descriptor one that does not wait.
                var place = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&place, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
