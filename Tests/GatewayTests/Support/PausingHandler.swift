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

    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        received(String(decoding: bytes[chunk.content], as: UTF8.self))
    }

    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer) {
        received(String(decoding: bytes[text.range], as: UTF8.self))
    }

    private func received(_ text: String) {
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
