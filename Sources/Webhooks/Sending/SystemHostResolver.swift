internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// `getaddrinfo` on threads of its own: it blocks for as long as the name servers are silent, and nothing can stop it.
/// A caller whose deadline passes, or who is cancelled, is let go and leaves its thread behind to finish.
final class SystemHostResolver: HostResolver {
    private typealias Answer = Result<[IPAddress], any Error>

    private struct Caller {
        let continuation: CheckedContinuation<[IPAddress], any Error>
        var timer: Scheduled<Void>?
    }

    private struct State {
        var isStopped = false
        var nextID: UInt64 = 0
        var callers: [UInt64: Caller] = [:]
    }

    private let state = Mutex(State())
    private let pool: NIOThreadPool
    private let group: any EventLoopGroup

    /// - Parameter group: whose timers watch the deadlines; has to live until `stop()`.
    init(threads: Int, group: any EventLoopGroup) {
        self.pool = NIOThreadPool(numberOfThreads: threads)
        self.group = group
        self.pool.start()
    }

    func addresses(of name: String, deadline: ContinuousClock.Instant) async throws -> [IPAddress] {
        let id = self.state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isRegistered = self.state.withLock { state in
                    guard !state.isStopped, !Task.isCancelled else { return false }
                    state.callers[id] = Caller(continuation: continuation)
                    return true
                }
                guard isRegistered else { return continuation.resume(throwing: HostResolverError.stopped) }
                self.watch(id, until: deadline)
                self.pool.submit { state in
                    switch state {
                    case .active: self.answer(id, Result { try Self.lookUp(name) })
                    case .cancelled: self.answer(id, .failure(HostResolverError.stopped))
                    }
                }
            }
        } onCancel: {
            self.answer(id, .failure(HostResolverError.stopped))
        }
    }

    /// Lets all callers go; does not wait for the look-ups that are under way.
    func stop() {
        let callers = self.state.withLock { state in
            state.isStopped = true
            defer { state.callers = [:] }
            return state.callers.values
        }
        for caller in callers {
            caller.timer?.cancel()
            caller.continuation.resume(throwing: HostResolverError.stopped)
        }
        self.pool.shutdownGracefully(queue: .global()) { _ in }
    }

    private func watch(_ id: UInt64, until deadline: ContinuousClock.Instant) {
        let timer = self.group.any().scheduleTask(in: .nanoseconds((deadline - .now).wholeNanoseconds)) {
            self.answer(id, .failure(HostResolverError.timedOut))
        }
        let isWaiting = self.state.withLock { state in
            state.callers[id]?.timer = timer
            return state.callers[id] != nil
        }
        if !isWaiting { timer.cancel() }
    }

    /// The first answer counts.
    private func answer(_ id: UInt64, _ answer: Answer) {
        guard let caller = self.state.withLock({ $0.callers.removeValue(forKey: id) }) else { return }
        caller.timer?.cancel()
        caller.continuation.resume(with: answer)
    }

    /// No `AI_ADDRCONFIG`: an address that this machine could not reach must still be judged.
    private static func lookUp(_ name: String) throws -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { throw HostResolverError.failed(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var entry = list
        while let info = entry?.pointee {
            if let address = Self.address(info), !addresses.contains(address) { addresses.append(address) }
            entry = info.ai_next
        }
        return addresses
    }

    private static func address(_ info: addrinfo) -> IPAddress? {
        guard let pointer = UnsafeRawPointer(info.ai_addr) else { return nil }
        switch info.ai_family {
        case AF_INET where Int(info.ai_addrlen) >= MemoryLayout<sockaddr_in>.size:
            return IPAddress(ipv4: UInt32(bigEndian: pointer.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
        case AF_INET6 where Int(info.ai_addrlen) >= MemoryLayout<sockaddr_in6>.size:
            return withUnsafeBytes(of: pointer.loadUnaligned(as: sockaddr_in6.self).sin6_addr) {
                IPAddress(bytes: Array($0))
            }
        default:
            return nil
        }
    }
}
