public import ServiceLifecycle

/// Keeps systemd informed while the worker runs: the watchdog, as long as the worker is healthy, and the status line.
///
/// Stands first in the ServiceGroup, so that it is stopped last and the watchdog is fed all through the drain.
public struct SystemdReporter: Service {
    private let notifier: SystemdNotifier
    private let interval: Duration
    private let isHealthy: @Sendable () -> Bool
    private let status: @Sendable () -> String

    /// - Parameters:
    ///   - interval: between two status lines; half of the watchdog's where that is shorter, so that one sign of life
    ///     that was withheld can be made up for.
    ///   - isHealthy: asked before each sign of life; while it says `false` none is given, and systemd restarts the
    ///     worker in the end.
    public init(
        notifier: SystemdNotifier, interval: Duration = .seconds(5), isHealthy: @escaping @Sendable () -> Bool,
        status: @escaping @Sendable () -> String
    ) {
        self.notifier = notifier
        self.interval = min(interval, notifier.watchdogInterval.map { $0 / 2 } ?? interval)
        self.isHealthy = isHealthy
        self.status = status
    }

    public func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if notifier.isActive { report() }
                do { try await Task.sleep(for: interval) } catch { return }
            }
        }
    }

    private func report() {
        let text = status()
        if notifier.watchdogInterval != nil, isHealthy() {
            notifier.watchdog(status: text)
        } else {
            notifier.status(text)
        }
    }
}
