internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The shell of `LookUpLine`: `getaddrinfo` on threads of its own, since it blocks for as long as the name servers are
/// silent, and nothing can stop it. A caller whose deadline passes, or who is cancelled, is let go and leaves its thread
/// behind to finish. Any thread.
final class SystemHostResolver: HostResolver {
    /// Makes a look-up; blocks its thread. Throws `HostResolverError.failed`.
    typealias LookUp = @Sendable (String) throws -> [IPAddress]

    private struct Caller {
        let continuation: CheckedContinuation<HostResolution, any Error>
        let arrived: ContinuousClock.Instant
        /// The time that the look-up may take, once it has begun.
        let time: Duration
        var waited = Duration.zero
        var timer: Scheduled<Void>?
    }

    private struct State {
        var isStopped = false
        var nextID: UInt64 = 0
        var line: LookUpLine
        var callers: [UInt64: Caller] = [:]
    }

    private let state: Mutex<State>
    private let pool: NIOThreadPool
    private let group: any EventLoopGroup
    private let lookUp: LookUp

    /// - Parameters:
    ///   - group: whose timers watch the deadlines; has to live until `stop()`.
    ///   - lookUp: the system's by default.
    init(
        policy: LookUpLine.Policy = LookUpLine.Policy(), group: any EventLoopGroup,
        lookUp: @escaping LookUp = SystemHostResolver.systemLookUp
    ) {
        self.state = Mutex(State(line: LookUpLine(policy: policy)))
        self.pool = NIOThreadPool(numberOfThreads: policy.threads)
        self.group = group
        self.lookUp = lookUp
        self.pool.start()
    }

    /// Names that wait for their turn.
    var waiting: Int { self.state.withLock { $0.line.counts.waiting } }

    func addresses(of name: String, deadline: ContinuousClock.Instant) async throws -> [IPAddress] {
        try await self.resolve(name, for: "", deadline: deadline).addresses
    }

    func resolve(
        _ name: String, for customer: String, deadline: ContinuousClock.Instant
    ) async throws -> HostResolution {
        let id = self.state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now = ContinuousClock.now
                let caller = Caller(continuation: continuation, arrived: now, time: max(.zero, deadline - now))
                let arrival: LookUpLine.Arrival? = self.state.withLock { state in
                    guard !state.isStopped, !Task.isCancelled else { return nil }
                    let arrival = state.line.arrive(id, name, customer: customer, now: now)
                    switch arrival {
                    case .failed, .full: break
                    case .start, .join, .wait: state.callers[id] = caller
                    }
                    return arrival
                }
                switch arrival {
                case nil: continuation.resume(throwing: HostResolverError.stopped)
                case .failed(let reason): continuation.resume(throwing: HostResolverError.failed(reason))
                case .full: continuation.resume(throwing: HostResolverError.busy)
                case .start: self.began([name])
                case .join: self.watch(id, for: caller.time, isUnderWay: true)
                case .wait: self.watch(id, for: caller.time, isUnderWay: false)
                }
            }
        } onCancel: {
            self.state.withLock { $0.line.cancel(id) }
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

    /// Names whose turn has come: those who wait for them have all of their time from now on.
    private func began(_ names: [String]) {
        for name in names {
            let waiting = self.state.withLock { state in
                state.line.callers(of: name).compactMap { id -> (UInt64, Duration)? in
                    guard let caller = state.callers[id] else { return nil }
                    state.callers[id]?.waited = .now - caller.arrived
                    return (id, caller.time)
                }
            }
            for (id, time) in waiting { self.watch(id, for: time, isUnderWay: true) }
            self.pool.submit { state in
                let result: Result<[IPAddress], any Error> =
                    switch state {
                    case .active: Result { try self.lookUp(name) }
                    case .cancelled: .failure(HostResolverError.stopped)
                    }
                self.finished(name, result)
            }
        }
    }

    private func finished(_ name: String, _ result: Result<[IPAddress], any Error>) {
        var failure: String?
        if case .failure(HostResolverError.failed(let reason)) = result { failure = reason }
        let (callers, next) = self.state.withLock { $0.line.finished(name, failure: failure, now: .now) }
        for id in callers { self.answer(id, result) }
        self.began(next)
    }

    /// Under the lock, and only for a caller who still waits: once `stop()` has let all go, the event loops may be gone.
    ///
    /// - Parameter isUnderWay: the time is for the look-up itself, not for its turn.
    private func watch(_ id: UInt64, for time: Duration, isUnderWay: Bool) {
        self.state.withLock { state in
            guard let caller = state.callers[id] else { return }
            caller.timer?.cancel()
            state.callers[id]?.timer = self.group.any().scheduleTask(in: .nanoseconds(time.wholeNanoseconds)) {
                self.expired(id, isUnderWay: isUnderWay)
            }
        }
    }

    private func expired(_ id: UInt64, isUnderWay: Bool) {
        let isOver = self.state.withLock { state in
            // Its turn came just now: another timer watches.
            guard state.line.isUnderWay(id) == isUnderWay else { return false }
            state.line.cancel(id)
            return true
        }
        if isOver { self.answer(id, .failure(isUnderWay ? HostResolverError.timedOut : .busy)) }
    }

    /// The first answer counts.
    private func answer(_ id: UInt64, _ answer: Result<[IPAddress], any Error>) {
        guard let caller = self.state.withLock({ $0.callers.removeValue(forKey: id) }) else { return }
        caller.timer?.cancel()
        caller.continuation.resume(with: answer.map { HostResolution(addresses: $0, waited: caller.waited) })
    }

    /// No `AI_ADDRCONFIG`: an address that this machine could not reach must still be judged.
    @Sendable static func systemLookUp(_ name: String) throws -> [IPAddress] {
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
