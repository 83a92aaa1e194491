internal import Foundation
internal import Glibc
internal import Synchronization

/// What is seen of a process from outside, in the order in which it was seen.
public enum ProcessEvent: Sendable, Equatable {
    /// A line of its standard output, without the line end.
    case output(String)
    /// A line of its standard error.
    case error(String)
    /// One datagram to `$NOTIFY_SOCKET`, by lines.
    case notified([String])
    /// Its exit code, or the negative number of the signal that ended it. After all its output.
    case exited(Int32)
}

/// A program that a test starts. It ends with this value, and with the tests' process however that one ends: the kernel
/// kills it (`setpriv --pdeathsig`).
public final class ChildProcess: Sendable {
    public let log: EventLog<ProcessEvent>
    public let processID: Int32

    private struct State {
        var hasEnded = false
    }

    private let state: Mutex<State>

    /// - Parameters:
    ///   - environment: all of it; nothing is inherited.
    ///   - log: where its events go; others may write there as well.
    public init(
        _ command: [String], environment: [String: String] = [:], log: EventLog<ProcessEvent> = EventLog()
    ) throws {
        let state = Mutex(State())
        let (output, error) = (Pipe(), Pipe())
        // Else another child would hold them open.
        for handle in [output, error].flatMap({ [$0.fileHandleForReading, $0.fileHandleForWriting] }) {
            _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        let arguments = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"] + command
        // The kernel's promise is bound to the thread that forks: one that lives as long as the tests.
        let processID = try SpawningThread.shared.run {
            try Self.spawn(
                arguments, environment, output.fileHandleForWriting.fileDescriptor,
                error.fileHandleForWriting.fileDescriptor)
        }
        self.log = log
        self.processID = processID
        self.state = state
        try output.fileHandleForWriting.close()
        try error.fileHandleForWriting.close()
        let readers = DispatchGroup()
        Self.read(output, readers) { log.append(.output($0)) }
        Self.read(error, readers) { log.append(.error($0)) }
        // Holds the value until the process has ended: it is reaped in any case.
        Thread { self.waitForEnd(readers) }.start()
    }

    /// Nothing happens once it has ended: the number may belong to another process by then.
    public func signal(_ number: Int32) {
        state.withLock { if !$0.hasEnded { Glibc.kill(processID, number) } }
    }

    /// Waits for its end; kills it where it does not come, and then throws.
    @discardableResult
    public func exitCode(timeout: Duration = .seconds(30)) async throws -> Int32 {
        do {
            return try await log.first("exit", timeout: timeout) { $0.exitCode }
        } catch {
            await kill()
            throw error
        }
    }

    /// Returns when it is gone.
    public func kill() async {
        signal(SIGKILL)
        _ = try? await log.first("exit") { $0.exitCode }
    }

    public var output: [String] { log.events.compactMap { if case .output(let line) = $0 { line } else { nil } } }
    public var errors: [String] { log.events.compactMap { if case .error(let line) = $0 { line } else { nil } } }

    private func waitForEnd(_ readers: DispatchGroup) {
        var information = siginfo_t()
        // First without reaping, so that `signal` never meets a number that is free again.
        while waitid(P_PID, id_t(processID), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        var status: Int32 = 0
        state.withLock { state in
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            state.hasEnded = true
        }
        readers.wait()
        let ending = status & 0x7F
        log.append(.exited(ending == 0 ? (status >> 8) & 0xFF : -ending))
    }

    private static func read(_ pipe: Pipe, _ group: DispatchGroup, _ line: @escaping @Sendable (String) -> Void) {
        let handle = pipe.fileHandleForReading
        group.enter()
        Thread {
            var rest = Data()
            while true {
                let data = handle.availableData
                rest.append(data)
                while let end = rest.firstIndex(of: 0x0A) {
                    line(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                    rest = Data(rest[(end + 1)...])
                }
                if data.isEmpty { break }
            }
            if !rest.isEmpty { line(String(decoding: rest, as: UTF8.self)) }
            group.leave()
        }.start()
    }

    /// With no signal blocked or ignored: the threads of a test block some.
    private static func spawn(
        _ arguments: [String], _ environment: [String: String], _ output: Int32, _ error: Int32
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pointers = arguments.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        var processID: pid_t = 0
        let code = posix_spawn(&processID, arguments[0], &actions, &attributes, &pointers, &variables)
        guard code == 0 else {
            throw TestBroker.Failure(description: "cannot start \(arguments): \(String(cString: strerror(code)))")
        }
        return processID
    }
}

extension ProcessEvent {
    public var exitCode: Int32? { if case .exited(let code) = self { code } else { nil } }
}

/// A thread that never ends and does what it is told, one thing after the other.
private final class SpawningThread: Sendable {
    static let shared = SpawningThread()

    private let work = Mutex<[@Sendable () -> Void]>([])
    private let isThereWork = DispatchSemaphore(value: 0)

    private init() {
        Thread { [self] in
            while true {
                isThereWork.wait()
                let next = work.withLock { $0.removeFirst() }
                next()
            }
        }.start()
    }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let result = Mutex<Result<Value, any Error>?>(nil)
        let isDone = DispatchSemaphore(value: 0)
        work.withLock {
            $0.append {
                let value = Result { try body() }
                result.withLock { $0 = value }
                isDone.signal()
            }
        }
        isThereWork.signal()
        isDone.wait()
        guard let result = result.withLock({ $0 }) else { throw TestBroker.Failure(description: "nothing was done") }
        return try result.get()
    }
}
