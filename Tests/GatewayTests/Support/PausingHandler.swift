import ChatModel
import Gateway

/// Pauses its stream after every chunk. Bound to the stream's loop.
final class PausingHandler: GatewayStreamHandler {
    var stream: GatewayStream?
    private(set) var received = ""
    private(set) var end: GatewayStreamEnd?
    private let continuation: AsyncStream<String>.Continuation

    init(_ continuation: AsyncStream<String>.Continuation) { self.continuation = continuation }

    func streamStarted(onReusedConnection reused: Bool) {}

    func streamReceived(_ chunk: borrowing ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes[chunk.content], as: UTF8.self)
        received += text
        stream?.pauseReading()
        continuation.yield(text)
    }

    func streamEnded(_ end: GatewayStreamEnd) {
        self.end = end
        stream = nil
        continuation.finish()
    }
}
