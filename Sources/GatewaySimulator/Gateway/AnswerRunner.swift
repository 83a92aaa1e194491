import NIOCore

/// Whoever writes an answer on a connection: carries out what `AnswerStream` decides, in both protocols alike. Lives on
/// the event loop of its connection.
protocol AnswerRunner: AnyObject, NIOScheduledCallbackHandler {
    associatedtype Output: AnswerOutput

    var shared: GatewayContext { get }
    var output: Output { get set }
    var stream: AnswerStream? { get set }
    var timer: NIOScheduledCallback? { get set }
    var waitsForWritability: Bool { get set }
    /// `nil`: nothing more is written.
    var answerChannel: (any Channel)? { get }

    func flush()
    /// The answer is over, or the connection is to go on otherwise. What is left to write was not flushed.
    func answerEnded(_ step: AnswerStream.Step)
}

/// Tokens written before other connections get their turn.
private let budget = 64

extension AnswerRunner {
    /// Writes what is due and arranges for the rest.
    func run() {
        guard stream != nil, let channel = answerChannel else { return }
        guard channel.isWritable else {
            waitsForWritability = true
            return
        }
        let before = stream?.tokensSent ?? 0
        let step = stream?.advance(now: .now(), into: &output, budget: budget) ?? .silent
        shared.countTokens((stream?.tokensSent ?? 0) - before)
        switch step {
        case .more:
            flush()
            channel.eventLoop.assumeIsolated().execute { self.run() }
        case .drip(let milliseconds):
            flush()
            DripHandler.install(on: channel, milliseconds: milliseconds)
            channel.eventLoop.assumeIsolated().execute { self.run() }
        case .wait(let deadline):
            flush()
            schedule(at: deadline, on: channel)
        case .complete, .failed, .close, .cut, .reset, .silent: answerEnded(step)
        }
    }

    func schedule(at deadline: NIODeadline, on channel: any Channel) {
        timer?.cancel()
        timer = try? channel.eventLoop.assumeIsolated().scheduleCallback(at: deadline, handler: self)
    }

    /// The channel takes bytes again.
    func writabilityChanged(_ channel: any Channel) {
        guard waitsForWritability, channel.isWritable else { return }
        waitsForWritability = false
        run()
    }
}
