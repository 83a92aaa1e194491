/// `ConfirmWindow`: so many messages published, one confirm for all of them. Nobody is to be told, as for chunks.
struct ConfirmWindowCase: MicroCase {
    private let batch: Int
    private var window = ConfirmWindow(size: 256)
    private var told: [UInt64] = []

    init(batch: Int) { self.batch = batch }

    mutating func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            for _ in 0..<batch { window.published(token: 17, notify: false) }
            guard window.acknowledged(window.lastPublished, multiple: batch > 1, into: &told) else { return 0 }
            sum &+= UInt64(window.capacity)
        }
        return sum
    }
}
