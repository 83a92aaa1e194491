import Synchronization

@testable import AMQP

/// Publishes `0..<count` through one template, whose number and id it overwrites each time; only every tenth message
/// and the last ask to be told.
final class SequenceDriver: PublisherDriver {
    private let template: PublishTemplate
    private let count: Int
    private let recorder: PublisherRecorder
    private let state = Mutex((next: 0, mostOutstanding: 0, first: 0))

    init(template: PublishTemplate, count: Int, recorder: PublisherRecorder) {
        self.template = template
        self.count = count
        self.recorder = recorder
    }

    var mostOutstanding: Int { state.withLock { $0.mostOutstanding } }

    func publisherReady(_ channel: borrowing PublishChannel) {
        var published = 0
        while channel.capacity > 0 {
            let number = state.withLock { state in
                defer { state.next += 1 }
                return state.next
            }
            guard number < count else { break }
            template.setInteger(0, Int64(number))
            template.numberMessageID(Int64(number))
            Array("\(number)".utf8).withUnsafeBytes { (body) -> Void in
                channel.publish(
                    template, body: body, token: UInt64(number),
                    notify: number.isMultiple(of: 10) || number == count - 1)
            }
            published += 1
        }
        state.withLock { $0.mostOutstanding = max($0.mostOutstanding, published) }
    }

    func publisherOpened(generation: UInt64) { recorder.publisherOpened(generation: generation) }
    func publisherConfirmed(_ token: UInt64) { recorder.publisherConfirmed(token) }
    func publisherRejected(_ token: UInt64) { recorder.publisherRejected(token) }
    func publisherReturned(_ token: UInt64, replyCode: Int, replyText: String) {
        recorder.publisherReturned(token, replyCode: replyCode, replyText: replyText)
    }
    func publisherBlocked(_ isBlocked: Bool, reason: String) {
        recorder.publisherBlocked(isBlocked, reason: reason)
    }
    func publisherLost(error: AMQPError, unconfirmed: [UInt64]) {
        recorder.publisherLost(error: error, unconfirmed: unconfirmed)
    }
    func publisherFailed(error: AMQPError, retryingAfter delay: Duration) {
        recorder.publisherFailed(error: error, retryingAfter: delay)
    }
}
