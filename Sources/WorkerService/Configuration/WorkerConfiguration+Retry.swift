extension WorkerConfiguration {
    /// `[retry]`
    public struct Retry: Sendable, Equatable {
        /// What happens to an answer that breaks off in the middle.
        public enum AfterFirstToken: String, Sendable, CaseIterable {
            case fail, restart
        }

        /// Tries beyond the first.
        public var retries = 5
        /// Doubled each time.
        public var firstWait: Duration = .seconds(1)
        /// The longest wait that holds a place in the worker.
        public var inWorker: Duration = .seconds(5)
        /// The longest that a gateway may ask for, and that a job may be rate limited in all.
        public var maximumWait: Duration = .seconds(3_600)
        public var afterFirstToken = AfterFirstToken.fail

        public init() {}
    }
}

extension WorkerConfiguration.Retry: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "retries", \.retries, .integer(0...20, of: "tries"),
            "Tries beyond the first that a failing gateway may cost; the guide asks for 5 at most."
        ),
        .init(
            "first_wait", \.firstWait, .duration(.milliseconds(10) ... .seconds(3_600)),
            "The wait before the second try. It doubles each time, with up to a quarter more by chance."),
        .init(
            "in_worker", \.inWorker, .duration(.zero ... .seconds(300)),
            "The longest wait that a job spends in the worker, where it holds a place; longer ones it spends in a retry "
                + "queue."),
        .init(
            "max_wait", \.maximumWait, .duration(.seconds(1) ... .seconds(7 * 86_400)),
            "The longest Retry-After that is respected, and the longest that a job may be rate limited in all; beyond it "
                + "the job fails."),
        .init(
            "after_first_token", \.afterFirstToken, .choice(),
            "An answer that breaks off in the middle: \"fail\" ends the job with the text that had come, \"restart\" asks "
                + "again, and tells readers to throw that text away."),
    ]
}
