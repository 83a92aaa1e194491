import FoundationEssentials
import NIOCore
import NIOHTTP1

/// An answer that is not what was asked for: its head, and the beginning of its body, where the gateway says why.
struct GatewayRefusal {
    /// Google's lists of quotas are 3 KB, and JSON that was cut has no parts to read.
    static let maximumBody = 16_384

    let head: HTTPResponseHead
    private var body = ByteBuffer()

    init(head: HTTPResponseHead) { self.head = head }

    /// Enough was read to judge it.
    var isFull: Bool { body.readableBytes == Self.maximumBody }

    mutating func append(_ part: ByteBuffer) {
        var part = part
        if var slice = part.readSlice(length: min(part.readableBytes, Self.maximumBody - body.readableBytes)) {
            body.writeBuffer(&slice)
        }
    }

    /// What body and headers say. - Parameter secret: a word that must not be passed on.
    func details(hiding secret: String) -> UpstreamError {
        let now = Date().timeIntervalSince1970
        var details = body.withUnsafeReadableBytes { UpstreamError($0, hiding: secret, now: now) }
        details.readHeaders(now: now) { head.headers.first(name: $0) }
        return details
    }
}
