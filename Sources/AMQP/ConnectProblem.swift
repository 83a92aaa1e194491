import Glibc

/// Why no TCP connection comes about, and what to look at.
enum ConnectProblem: Equatable {
    /// Somebody at that address says that nothing listens there.
    case refused
    /// There is no way to that address.
    case noRoute
    /// Nobody answers.
    case silent
    case other(String)

    init(_ code: Int32) {
        self =
            switch code {
            case ECONNREFUSED: .refused
            case EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN: .noRoute
            case ETIMEDOUT: .silent
            default: .other(String(cString: strerror(code)))
            }
    }

    /// Connects once more, only to learn why it does not work. Blocks for a second at most.
    init(of address: AMQPConfiguration.Address, within timeout: Duration) {
        let limit = min(timeout, .seconds(1)).clampedNanoseconds / 1_000_000
        self = Self.attempt(address, milliseconds: Int32(clamping: limit)).map { ConnectProblem($0) } ?? .refused
    }

    var text: String {
        switch self {
        case .refused: "connection refused"
        case .noRoute: "there is no route to the host"
        case .silent: "nobody answers"
        case .other(let text): text
        }
    }

    /// What to look at.
    var advice: String {
        switch self {
        case .refused:
            "is the broker running, does it listen on that address and port, or does a firewall refuse? "
                + "(there: rabbitmq-diagnostics listeners)"
        case .noRoute: "look at the address, and at this machine's network and routes"
        case .silent: "look at the address, whether that host is up, and at firewalls in between"
        case .other: "look at host and port, whether the broker runs there, and at firewalls in between"
        }
    }

    /// - Returns: the `errno` of the last of the host's addresses; `nil` where one of them took the connection.
    private static func attempt(_ address: AMQPConfiguration.Address, milliseconds: Int32) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, "\(address.port)", &hints, &list) == 0 else { return ECONNREFUSED }
        defer { freeaddrinfo(list) }
        var code = ECONNREFUSED
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = socket(entry.ai_family, flags, 0)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 { return nil }
            code = errno
            guard code == EINPROGRESS else { continue }
            var place = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&place, 1, milliseconds) > 0 else {
                code = ETIMEDOUT
                continue
            }
            var length = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0, code != 0 else { return nil }
        }
        return code
    }
}
