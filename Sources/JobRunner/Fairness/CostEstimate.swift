/// What a job will probably cost, in tokens: a moving average of those before. A job is charged this much when it starts
/// and the difference when it ends, so that a customer cannot take every place before the first bill comes.
struct CostEstimate {
    /// One odd job must not decide the next ones.
    private static let range = 16...32_768

    /// The first guess is the length of a usual answer.
    private(set) var tokens = 500

    /// The last eight jobs or so count.
    mutating func observe(_ cost: Int) {
        tokens = (tokens * 7 + min(max(cost, Self.range.lowerBound), Self.range.upperBound) + 4) / 8
    }
}
