internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// Reads one answer: its status, `Retry-After`, and the first bytes of the body; stops reading at a limit.
/// Called on the connection's event loop; asked for its result from the task that posts.
final class AnswerReader: HTTPClientResponseDelegate {
    typealias Response = Void

    /// Thrown at the client to make it drop the rest of a long or slow answer and its connection.
    struct AnswerCut: Error {}

    struct Answer {
        /// The connection was made, and the request started to leave.
        var requestStarted = false
        var status: Int?
        var retryAfter: String?
        var received = 0
        var kept: [UInt8] = []
    }

    /// How long after its head an answer's body may take; the status says all that matters.
    static let bodyTime = TimeAmount.seconds(2)

    private let state = Mutex(Answer())
    private let maximumSize: Int
    private let timer = Mutex<Scheduled<Void>?>(nil)

    /// - Parameter maximumSize: bytes of the body after which the rest is not read.
    init(maximumSize: Int) {
        self.maximumSize = maximumSize
    }

    var answer: Answer { self.state.withLock { $0 } }

    func didSendRequestHead(task: HTTPClient.Task<Void>, _ head: HTTPRequestHead) {
        self.state.withLock { $0.requestStarted = true }
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        self.state.withLock {
            $0.requestStarted = true
            $0.status = Int(head.status.code)
            $0.retryAfter = head.headers.first(name: "retry-after")
        }
        let timer = task.eventLoop.scheduleTask(in: Self.bodyTime) { task.fail(reason: AnswerCut()) }
        self.timer.withLock { $0 = timer }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let isCut = self.state.withLock { answer in
            let room = WebhookOutcome.keptAnswerSize - answer.kept.count
            if room > 0 { answer.kept.append(contentsOf: buffer.readableBytesView.prefix(room)) }
            answer.received += buffer.readableBytes
            return answer.received > self.maximumSize
        }
        return isCut
            ? task.eventLoop.makeFailedFuture(AnswerCut()) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws { self.stopTimer() }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) { self.stopTimer() }

    private func stopTimer() { self.timer.withLock { $0 }?.cancel() }
}
