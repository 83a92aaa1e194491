import Crypto
import Epoll
import Glibc

/// A gateway that costs as little as a gateway can: one thread, epoll, chunks from a template, so that what is measured is the
/// worker. Speaks the protocol of `simulate gateway --timestamps`: each token is `NANOSECONDS:NUMBER `, stamped when it is
/// written. Says how many tokens a request gets what the request's `max_tokens` says.
final class CheapGateway {
    private let poll: Int32
    private let listener: Int32
    /// Nanoseconds between the tokens of a stream; 0 is as fast as its socket takes them.
    private let interval: UInt64
    private var clients: [Client?] = []
    /// Streams by when their next token is due.
    private var due = DueQueue()
    private let chunk = ChunkBytes()
    private var answers: UInt64 = 0
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
    /// Written in one call, at most.
    private static let burst = 32 << 10

    init(host: String, rate: Double) {
        interval = rate > 0 ? UInt64(1e9 / rate) : 0
        poll = epoll_create1(0)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(host)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                return bind(listener, address, length) == 0 && listen(listener, 4096) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard bound else { stop("cannot listen on \(host)") }
        _ = bench_watch(poll, listener, bench_input, 1)
        say("{\"url\":\"ws://\(host):\(UInt16(bigEndian: address.sin_port))/v1/realtime/chat/completions\"}")
    }

    func run() -> Never {
        var events = [epoll_event](repeating: epoll_event(), count: 512)
        while true {
            let now = Clock.now()
            serveDue(now)
            let wait = due.first.map { $0 > now ? Int64($0 - now) : 0 } ?? -1
            let count = bench_wait(poll, &events, Int32(events.count), wait)
            guard count > 0 else { continue }
            for event in events[0..<Int(count)] {
                let descriptor = event.data.fd
                if descriptor == listener { accept() } else { serve(descriptor, event.events) }
            }
        }
    }

    private func accept() {
        while true {
            let descriptor = bench_accept(listener)
            guard descriptor >= 0 else { return }
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), Int32(TCP_NODELAY), &on, socklen_t(MemoryLayout<Int32>.size))
            while clients.count <= Int(descriptor) { clients.append(nil) }
            clients[Int(descriptor)] = Client(descriptor)
            _ = bench_watch(poll, descriptor, bench_input, 1)
        }
    }

    private func serve(_ descriptor: Int32, _ events: UInt32) {
        guard let client = clients[Int(descriptor)] else { return }
        if events & bench_output != 0 {
            _ = bench_watch(poll, descriptor, bench_input, 0)
            guard flush(client) else { return }
            if interval == 0 { rush(client) }
        }
        guard events & ~bench_output != 0 else { return }
        let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN { return }
            return drop(client)
        }
        client.input.append(contentsOf: scratch[0..<count])
        if !client.isUpgraded {
            guard let answer = client.takeHandshake() else { return }
            answer.withUnsafeBytes { write($0, to: client) }
        }
        while let request = client.takeFrame() {
            guard case .request(let tokens) = request else { return drop(client) }
            begin(client, tokens)
        }
    }

    private func drop(_ client: Client) {
        close(client.descriptor)
        client.isGone = true
        clients[Int(client.descriptor)] = nil
    }

    private func begin(_ client: Client, _ tokens: Int) {
        client.remaining = tokens
        client.next = 0
        answers += 1
        client.answer = 100_000_000_000 + answers
        var end = chunk.role(client, into: scratch, at: 0)
        if interval > 0 {
            end = chunk.token(client, Clock.now(), into: scratch, at: end)
            // Streams that began together do not stay in step.
            if tokens > 1 { due.append(client, at: Clock.now() + UInt64.random(in: 1...interval)) }
            return write(UnsafeRawBufferPointer(rebasing: scratch[0..<end]), to: client)
        }
        write(UnsafeRawBufferPointer(rebasing: scratch[0..<end]), to: client)
        rush(client)
    }

    /// As much as the socket takes.
    private func rush(_ client: Client) {
        while client.remaining > 0, client.unsent.isEmpty, !client.isGone {
            var end = 0
            let now = Clock.now()
            while client.remaining > 0, end < Self.burst { end = chunk.token(client, now, into: scratch, at: end) }
            write(UnsafeRawBufferPointer(rebasing: scratch[0..<end]), to: client)
        }
    }

    private func serveDue(_ now: UInt64) {
        while let (client, time) = due.take(before: now) {
            guard !client.isGone else { continue }
            let end = chunk.token(client, Clock.now(), into: scratch, at: 0)
            if client.remaining > 0 { due.append(client, at: time + interval) }
            write(UnsafeRawBufferPointer(rebasing: scratch[0..<end]), to: client)
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to client: Client) {
        guard !client.isGone else { return }
        guard client.unsent.isEmpty else { return client.unsent.append(contentsOf: bytes) }
        let sent = max(0, send(client.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)))
        guard sent < bytes.count else { return }
        client.unsent.append(contentsOf: bytes[sent...])
        _ = bench_watch(poll, client.descriptor, bench_input | bench_output, 0)
    }

    /// False where the socket is full again.
    private func flush(_ client: Client) -> Bool {
        let waiting = client.unsent
        client.unsent = []
        waiting.withUnsafeBytes { write($0, to: client) }
        return client.unsent.isEmpty
    }
}

/// One connection of the worker's.
final class Client {
    enum Frame {
        case request(tokens: Int)
        case other
    }

    let descriptor: Int32
    var input: [UInt8] = []
    var unsent: [UInt8] = []
    var isUpgraded = false
    var isGone = false
    /// Tokens to come of the answer, and the number of the next.
    var remaining = 0
    var next = 0
    /// Twelve digits that no other answer has.
    var answer: UInt64 = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The answer to the upgrade, once its request is whole.
    func takeHandshake() -> [UInt8]? {
        guard let end = input.withUnsafeBytes({ $0.end(of: Array("\r\n\r\n".utf8)) }) else { return nil }
        let head = String(decoding: input[..<end], as: UTF8.self)
        input.removeFirst(end)
        isUpgraded = true
        let line = head.split(whereSeparator: \.isNewline).first { $0.lowercased().hasPrefix("sec-websocket-key:") }
        let key = line?.split(separator: " ").last ?? ""
        let digest = Insecure.SHA1.hash(data: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return Array(
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: \(base64(Array(digest)))\r\n\r\n").utf8)
    }

    /// The next whole frame of a client: they are masked, and here each request is one text frame.
    func takeFrame() -> Frame? {
        guard input.count >= 6 else { return nil }
        var (length, place) = (Int(input[1] & 0x7F), 2)
        if length == 126 {
            guard input.count >= 8 else { return nil }
            (length, place) = (Int(input[2]) << 8 | Int(input[3]), 4)
        } else if length == 127 {
            return .other
        }
        guard input.count >= place + 4 + length else { return nil }
        defer { input.removeFirst(place + 4 + length) }
        guard input[0] & 0x0F == 1 else { return .other }
        let mask = Array(input[place..<(place + 4)])
        let payload = (0..<length).map { input[place + 4 + $0] ^ mask[$0 & 3] }
        return .request(tokens: number(after: "\"max_tokens\":", in: payload) ?? 1)
    }

    private func number(after key: String, in bytes: [UInt8]) -> Int? {
        let place = bytes.withUnsafeBytes { $0.end(of: Array(key.utf8)) }
        guard let place else { return nil }
        return Int(String(decoding: bytes[place...].prefix { $0 &- 0x30 < 10 }, as: UTF8.self))
    }
}

/// Who is due when: a heap, the earliest first.
struct DueQueue {
    private var entries: [(client: Client, time: UInt64)] = []

    var first: UInt64? { entries.first?.time }

    mutating func append(_ client: Client, at time: UInt64) {
        entries.append((client, time))
        var place = entries.count - 1
        while place > 0, entries[place].time < entries[(place - 1) / 2].time {
            entries.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func take(before now: UInt64) -> (client: Client, time: UInt64)? {
        guard let first = entries.first, first.time <= now else { return nil }
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var place = 0
        while 2 * place + 1 < entries.count {
            var child = 2 * place + 1
            if child + 1 < entries.count, entries[child + 1].time < entries[child].time { child += 1 }
            guard entries[child].time < entries[place].time else { break }
            entries.swapAt(place, child)
            place = child
        }
        return first
    }
}

private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let part = bytes[start..<min(start + 3, bytes.count)]
        let value = part.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - part.count))
        for index in 0..<4 {
            text.append(index <= part.count ? alphabet[Int(value >> UInt32(18 - 6 * index) & 63)] : "=")
        }
    }
    return text
}
