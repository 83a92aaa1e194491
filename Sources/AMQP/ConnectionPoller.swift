import Glibc

/// Lets a connection thread sleep until its socket, another thread or its tick has something for it.
struct ConnectionPoller {
    /// The most that a connection thread sleeps: heartbeats are sent and checked only inside librabbitmq's calls.
    static let tick: UInt64 = 250_000_000

    let ownership: LoopOwnership

    /// What ended a sleep.
    enum Wake {
        case input
        /// The socket takes output, or is broken.
        case output
        /// Somebody woke the thread, and the socket has nothing.
        case call
        case time
        /// A wake had come already: the socket was not looked at.
        case unknown
    }

    /// Sleeps until there is input (or, where asked, room for output), a wake, or `limit` nanoseconds are over.
    /// `ownership.take()` comes after it, in any case.
    /// - Parameter socket: -1 for none.
    @discardableResult
    func sleep(
        socket: Int32, as rest: LoopOwnership.Rest = .own, wantsOutput: Bool = false, limit: UInt64 = Self.tick
    ) -> Wake {
        guard ownership.rest(rest) else { return .unknown }
        var descriptors = [2 of pollfd](repeating: pollfd())
        descriptors[0] = pollfd(fd: ownership.fileDescriptor, events: Int16(POLLIN), revents: 0)
        descriptors[1] = pollfd(fd: socket, events: Int16(wantsOutput ? POLLIN | POLLOUT : POLLIN), revents: 0)
        var span = descriptors.mutableSpan
        span.withUnsafeMutableBufferPointer { buffer in
            _ = poll(buffer.baseAddress, nfds_t(buffer.count), Self.milliseconds(limit))
        }
        if descriptors[0].revents != 0 { ownership.drain() }
        if descriptors[1].revents & Int16(POLLIN) != 0 { return .input }
        if descriptors[1].revents != 0 { return .output }
        return descriptors[0].revents != 0 ? .call : .time
    }

    /// Sleeps without a socket, for a reconnect wait: until `isOver` says so, or `limit` nanoseconds are over.
    func wait(limit: UInt64, unless isOver: () -> Bool) {
        let end = Monotonic.now() &+ limit
        while !isOver() {
            let now = Monotonic.now()
            guard now < end else { return }
            sleep(socket: -1, limit: end - now)
            _ = ownership.take()
        }
    }

    /// Whether the socket takes output without blocking, now.
    static func isWritable(_ socket: Int32) -> Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        // An error or hang-up counts: the send then says which.
        return poll(&descriptor, 1, 0) > 0
    }

    /// Rounded up, so that a remaining fraction does not spin.
    private static func milliseconds(_ nanoseconds: UInt64) -> Int32 {
        Int32(clamping: (nanoseconds &+ 999_999) / 1_000_000)
    }
}
