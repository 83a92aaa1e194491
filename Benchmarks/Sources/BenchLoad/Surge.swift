/// A rate of jobs that rises for a while: so many a second, then many times as many, then as before. And what became of it.
struct Surge {
    /// Jobs a second.
    let rate: Int
    let factor: Int
    /// Seconds.
    let before: Int
    let during: Int
    let after: Int

    /// `RATE,FACTOR,BEFORE,DURING,AFTER`
    init?(_ text: String) {
        let numbers = text.split(separator: ",").compactMap { Int($0) }
        guard numbers.count == 5, numbers.allSatisfy({ (1...100_000).contains($0) }) else { return nil }
        (rate, factor, before, during, after) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    }

    var count: Int { rate * (before + factor * during + after) }
    private var ordinary: Int { rate * before }
    private var risen: Int { rate * factor * during }

    /// When a job is to be published, in nanoseconds from the start.
    func due(_ index: Int) -> UInt64 {
        let second = 1_000_000_000
        if index < ordinary { return UInt64(index * second / rate) }
        let start = before * second
        if index < ordinary + risen { return UInt64(start + (index - ordinary) * second / (rate * factor)) }
        return UInt64(start + during * second + (index - ordinary - risen) * second / rate)
    }

    /// One object of JSON. Waiting is a job from its publish to its first token. (How many stream at once the gateway knows.)
    func report(_ jobs: borrowing Jobs) -> String {
        var changes: [(time: UInt64, waiting: Int)] = []
        for index in 0..<count where jobs.endedAt[index] > 0 && jobs.firstAt[index] > 0 {
            changes.append((jobs.publishedAt[index], 1))
            changes.append((jobs.firstAt[index], -1))
        }
        changes.sort { $0.time < $1.time }
        let (start, end) = (jobs.publishedAt[ordinary], jobs.publishedAt[ordinary + risen - 1])
        var (waiting, usual, mostWaiting) = (0, 0, 0)
        var recovered: UInt64?
        for change in changes {
            waiting += change.waiting
            if change.time < start { usual = max(usual, waiting) }
            mostWaiting = max(mostWaiting, waiting)
            if change.time > end, recovered == nil, waiting <= max(1, usual) { recovered = change.time }
        }
        let calm = (ordinary + risen..<count).filter { index in recovered.map { jobs.publishedAt[index] > $0 } ?? false
        }
        let seconds = recovered.map { "\(Double(($0 - end) / 1_000_000) / 1_000)" } ?? "null"
        return "{\"peak_waiting\":\(mostWaiting),\"usually_waiting\":\(usual),"
            + "\"recovered_after_s\":\(seconds),\"first_token_ms\":{\"before\":\(waits(jobs, Array(0..<ordinary))),"
            + "\"during\":\(waits(jobs, Array(ordinary..<ordinary + risen))),\"recovered\":\(waits(jobs, calm))}}"
    }

    private func waits(_ jobs: borrowing Jobs, _ indices: [Int]) -> String {
        var waits = Histogram()
        for index in indices where jobs.firstAt[index] > 0 { waits.add(jobs.firstAt[index] - jobs.publishedAt[index]) }
        return waits.json
    }
}
