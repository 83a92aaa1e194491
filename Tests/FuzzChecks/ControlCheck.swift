internal import AMQP
internal import ChatModel
internal import JobRunner

/// What stands on the control stream: no number in it traps, only a worker is believed to be one, and a cancel is for one
/// job that has names.
enum ControlCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        let delivery = DeliveryReader(input).delivery
        for customers in [JobRules.CustomerSource.job, .userID] {
            let message: ControlMessage?
            do throws(ControlMessage.Unreadable) {
                message = try ControlMessage(delivery, workerUser: DeliveryReader.worker, customers: customers)
            } catch {
                try require(!error.reason.isEmpty, "what is not read says why")
                continue
            }
            let isWorkers = delivery.properties.userID == DeliveryReader.worker
            switch message {
            case .cancel(let cancel): try judge(cancel)
            case .finished(_, let finished):
                try require(isWorkers, "only a worker ends jobs")
                try require(finished.attempt >= 0, "an attempt has a number")
                let left = finished.leftBehind(claimedAs: .min)
                try require(left.map { $0.attempt <= finished.attempt } ?? true, "what was left behind came before")
                try require(!finished.isFollowed(by: finished), "nothing follows itself")
            case .claim, .cancelled, .sync: try require(isWorkers, "only a worker speaks as one")
            case nil: break
            }
        }
    }

    private static let times: [Int64?] = [nil, .min, -1, 0, 1_795_000_000, .max]

    private static func judge(_ cancel: ControlMessage.Cancel) throws(BrokenInvariant) {
        try require(!cancel.key.id.isEmpty && !cancel.key.customer.isEmpty, "a cancel names a job")
        for now in times {
            var book = CancelBook(capacity: 2)
            book.note(cancel, now: now)
            try require(book.count == 1, "a cancel is for one job")
            for time in times {
                for offset in times {
                    let enqueued = CancelBook.Enqueued(controlOffset: offset, time: time, isRepeated: false)
                    try require(book.concern(cancel.key, enqueued) != .none, "it was noted")
                }
            }
        }
    }
}
