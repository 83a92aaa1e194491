import NIOCore
import NIOPosix

/// Sends bytes over TCP and returns all that comes back until the server closes, or for so long.
func rawExchange(
    port: Int, _ request: String, then trailer: [UInt8] = [], for patience: TimeAmount? = nil
) async throws -> String {
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
    if let patience { channel.channel.eventLoop.scheduleTask(in: patience) { channel.channel.close(promise: nil) } }
    return try await channel.executeThenClose { inbound, outbound in
        try await outbound.write(ByteBuffer(bytes: Array(request.utf8) + trailer))
        var answer = ByteBuffer()
        for try await part in inbound { answer.writeImmutableBuffer(part) }
        return String(buffer: answer)
    }
}

/// An upgrade request as a client of the guide sends it.
func upgradeRequest(
    path: String = "/v1/realtime/chat/completions?model=m", authorization: String? = nil, key: Bool = true
) -> String {
    var lines = ["GET \(path) HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    if key { lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="] }
    if let authorization { lines.append("Authorization: \(authorization)") }
    return lines.joined(separator: "\r\n") + "\r\n\r\n"
}

/// A masked close frame without a code.
let emptyCloseFrame: [UInt8] = [0x88, 0x80, 1, 2, 3, 4]
