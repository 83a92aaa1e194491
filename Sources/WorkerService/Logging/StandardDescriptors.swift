import Glibc

/// Standard input, output and error of this process.
public enum StandardDescriptors {
    /// Makes a program outlive whoever reads what it says. Call first, while no other thread runs.
    ///
    /// A descriptor that is closed becomes `/dev/null`: the next socket would get its number, and the log would be written
    /// into a connection to the broker. An output that was closed cannot be written to all the same, so that a command fails
    /// whose result nobody gets. A pipe whose reader has gone is no reason to die (SIGPIPE).
    public static func secure() {
        _ = signal(SIGPIPE, SIG_IGN)
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number, which is this one.
            _ = open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR)
        }
    }
}
