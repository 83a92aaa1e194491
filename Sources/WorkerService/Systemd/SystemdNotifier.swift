import Glibc

/// Tells systemd how the worker is (sd_notify(3), without libsystemd). Does nothing where `$NOTIFY_SOCKET` is not set.
///
/// Any thread may call it: every message is one datagram. A send waits for a full socket for a second at most, and a
/// failure is never an error of the worker's.
public final class SystemdNotifier: Sendable {
    /// How often systemd wants to hear `watchdog()`: half of what it allows. `nil`: not at all.
    public let watchdogInterval: Duration?
    private let descriptor: Int32?
    private let address: NotifyAddress?

    public init(in environment: ConfigurationEnvironment = .process()) {
        address = environment.variable("NOTIFY_SOCKET").flatMap(NotifyAddress.init)
        descriptor = address == nil ? nil : Self.openSocket()
        watchdogInterval = descriptor == nil ? nil : Self.watchdogInterval(in: environment)
    }

    deinit {
        if let descriptor { close(descriptor) }
    }

    /// Whether anybody listens.
    public var isActive: Bool { descriptor != nil }

    /// The worker consumes and can publish; also ends `reloading()`.
    @discardableResult
    public func ready(status: String? = nil) -> Bool { send(["READY=1"] + Self.line(status)) }

    /// One line for `systemctl status`.
    @discardableResult
    public func status(_ text: String) -> Bool { send(Self.line(text)) }

    /// Still alive; to be sent every `watchdogInterval`, with the status line that is due anyway.
    @discardableResult
    public func watchdog(status: String? = nil) -> Bool { send(["WATCHDOG=1"] + Self.line(status)) }

    /// The drain has begun.
    @discardableResult
    public func stopping(status: String? = nil) -> Bool { send(["STOPPING=1"] + Self.line(status)) }

    /// Asks for so much time from now on before the start, or the stop, counts as failed. Sent again while it goes on.
    @discardableResult
    public func extendTimeout(by duration: Duration) -> Bool {
        send(["EXTEND_TIMEOUT_USEC=\(max(0, duration.wholeMilliseconds).multipliedClamping(by: 1_000))"])
    }

    /// A reload has begun; `ready()` ends it. systemd from 253 on asks for the time, 252 ignores it.
    @discardableResult
    public func reloading() -> Bool {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return send(["RELOADING=1", "MONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000)"])
    }

    private func send(_ lines: [String]) -> Bool {
        guard let descriptor, let address, !lines.isEmpty else { return false }
        let message = Array(lines.joined(separator: "\n").utf8)
        while true {
            let count = address.withSocketAddress { pointer, length in
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
            if count < 0, errno == EINTR { continue }
            return count == message.count
        }
    }

    /// A line end would begin another assignment.
    private static func line(_ status: String?) -> [String] {
        guard let status else { return [] }
        return ["STATUS=" + String(decoding: status.utf8.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)]
    }

    private static func openSocket() -> Int32? {
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return nil }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    /// `WATCHDOG_USEC` concerns the process `WATCHDOG_PID`, where that is set.
    private static func watchdogInterval(in environment: ConfigurationEnvironment) -> Duration? {
        guard let microseconds = environment.variable("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0 else {
            return nil
        }
        if let process = environment.variable("WATCHDOG_PID"), Int32(process) != environment.processID { return nil }
        return .microseconds(microseconds / 2)
    }
}

extension Int64 {
    fileprivate func multipliedClamping(by factor: Int64) -> Int64 {
        let (product, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? .max : product
    }
}
