/// When jobs are published.
enum Pace {
    /// All at once.
    case none
    /// So many a second.
    case steady(Int)
    case surge(Surge)

    /// In nanoseconds from the start; `nil`: at once.
    func due(_ index: Int) -> UInt64? {
        switch self {
        case .none: nil
        case .steady(let rate): UInt64(index) * 1_000_000_000 / UInt64(rate)
        case .surge(let surge): surge.due(index)
        }
    }
}
