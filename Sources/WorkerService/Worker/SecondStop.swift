import JobRunner
import Logging
import ServiceLifecycle
import UnixSignals

/// A second SIGTERM (or Ctrl-C) while the worker drains ends the drain: what still runs is handed back at once. Whoever
/// asks twice does not want to wait for `limits.drain_timeout`.
struct SecondStop: Service {
    let runner: JobRunner
    let isDraining: Flag
    let logger: Logger

    func run() async {
        // The service group listens to the same signals, and began before: what it alone has seen raises the flag.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        var isFirst = !isDraining.isRaised
        for await signal in signals.cancelOnGracefulShutdown() {
            if isFirst {
                isFirst = false
                continue
            }
            logger.notice(
                "told to stop once more: the drain ends, what still runs is handed back",
                metadata: ["signal": "\(signal)", "status": "\(runner.status.line)"])
            runner.endDrain()
        }
    }
}
