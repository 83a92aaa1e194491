/// How often and how patiently a job is tried again.
public struct RetryPolicy: Sendable, Equatable {
    /// What happens to an answer that breaks off in the middle.
    public enum AfterFirstToken: Sendable {
        /// The job ends with the error and the text that had come.
        case fail
        /// The answer starts over under a new attempt; readers are told by a reset.
        case restart
    }

    /// Tries beyond the first that a failing gateway may cost (the gateway's guide: at most 5).
    public var retries: Int
    /// The first wait; doubled each time (the guide: 1 s x 2^n).
    public var firstWait: Duration
    /// Fraction of a wait that chance adds (openai-python: up to 25 %).
    public var jitter: Double
    /// The longest wait in the worker, with a place held; longer ones are spent in a waiting queue.
    public var longestInWorker: Duration
    /// The longest that a gateway may ask for, and the longest that a job may be rate limited in all.
    public var longestWait: Duration
    public var afterFirstToken: AfterFirstToken

    public init(
        retries: Int = 5, firstWait: Duration = .seconds(1), jitter: Double = 0.25,
        longestInWorker: Duration = .seconds(5), longestWait: Duration = .seconds(3_600),
        afterFirstToken: AfterFirstToken = .fail
    ) {
        self.retries = retries
        self.firstWait = firstWait
        self.jitter = jitter
        self.longestInWorker = longestInWorker
        self.longestWait = longestWait
        self.afterFirstToken = afterFirstToken
    }
}
