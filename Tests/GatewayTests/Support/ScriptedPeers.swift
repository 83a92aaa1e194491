import NIOCore

/// The server's ends of connections, or of the streams of HTTP/2, each of which follows the script in a task of its own.
struct ScriptedPeers: Sendable {
    private typealias Wrapped = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let continuation: AsyncStream<Wrapped>.Continuation
    private let server: Task<Void, Never>

    init(transport: TestTransport, script: @escaping TestGateway.Script) {
        let (channels, continuation) = AsyncStream<Wrapped>.makeStream()
        self.continuation = continuation
        server = Task {
            await withDiscardingTaskGroup { group in
                var count = 0
                for await channel in channels {
                    let number = count
                    count += 1
                    group.addTask {
                        try? await channel.executeThenClose { inbound, outbound in
                            let peer = TestPeer(
                                transport: transport, number: number, channel: channel.channel,
                                input: inbound.makeAsyncIterator(), output: outbound)
                            try await script(peer)
                        }
                    }
                }
                // Not before each has been taken: one that nobody has taken cannot be let go.
                group.cancelAll()
            }
        }
    }

    /// Takes a channel that carries bytes. On its event loop, while it is initialised.
    func take(_ channel: any Channel) throws {
        let wrapped = try Wrapped(
            wrappingChannelSynchronously: channel,
            configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4)))
        if case .terminated = continuation.yield(wrapped) {
            // It came after the test's end.
            Task { try? await wrapped.executeThenClose { _, _ in } }
        }
    }

    /// Cancels what the scripts do, and waits for them.
    func end() async {
        continuation.finish()
        await server.value
    }
}
