import Epoll
import Glibc

/// What reading alone costs: the frames of many answers, taken off bare sockets and counted.
struct ReadLimit {
    var url: String
    var streams: Int
    var tokens: Int

    func run() -> String {
        let sockets = (0..<streams).map { _ in open() }
        let poll = epoll_create1(0)
        var readers: [Int32: FrameCounter] = [:]
        for descriptor in sockets {
            readers[descriptor] = FrameCounter()
            _ = bench_watch(poll, descriptor, bench_input, 1)
        }
        let request = Self.request(tokens: tokens)
        let (start, processor) = (Clock.now(), Clock.processor())
        for descriptor in sockets { _ = send(descriptor, request, request.count, 0) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
        var events = [epoll_event](repeating: epoll_event(), count: 512)
        // The role, the tokens, the finish reason and the usage.
        let goal = streams * (tokens + 3)
        var frames = 0
        while frames < goal {
            let count = bench_wait(poll, &events, Int32(events.count), 10_000_000_000)
            guard count > 0 else { stop("the gateway fell silent after \(frames) frames") }
            for event in events[0..<Int(count)] {
                let descriptor = event.data.fd
                let read = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                guard read > 0 else { stop("the gateway closed a connection") }
                frames += readers[descriptor]?.take(UnsafeRawBufferPointer(rebasing: buffer[0..<read])) ?? 0
            }
        }
        let (seconds, used) = (Double(Clock.now() - start) / 1e9, Clock.processor() - processor)
        return "{\"tokens_per_s\":\(Int(Double(streams * tokens) / seconds)),"
            + "\"cpu_us_per_token\":\(Double(used) / Double(streams * tokens))}"
    }

    /// Connected and upgraded.
    private func open() -> Int32 {
        let parts = url.split(separator: "/")[1].split(separator: ":")
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(String(parts[0]))
        address.sin_port = (UInt16(parts[1]) ?? 0).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        let head = Array(
            ("GET /v1/realtime/chat/completions HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").utf8)
        guard isConnected, send(descriptor, head, head.count, 0) == head.count else { stop("no gateway at \(url)") }
        var answer = [UInt8](repeating: 0, count: 1024)
        guard recv(descriptor, &answer, answer.count, 0) > 12, answer[9...11].elementsEqual("101".utf8) else {
            stop("the gateway did not upgrade")
        }
        return descriptor
    }

    /// A masked text frame; the mask is zero.
    private static func request(tokens: Int) -> [UInt8] {
        let body = Array("{\"model\":\"bench\",\"max_tokens\":\(tokens)}".utf8)
        return [0x81, 0x80 | UInt8(body.count), 0, 0, 0, 0] + body
    }
}

/// Counts whole frames of 126 to 65,535 bytes, or fewer than 126.
struct FrameCounter {
    /// Of the frame that has begun: still to come, and its head as far as it is there.
    private var missing = 0
    private var head: [UInt8] = []

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        var (place, frames) = (0, 0)
        while place < bytes.count {
            if missing > 0 {
                let part = min(missing, bytes.count - place)
                missing -= part
                place += part
                if missing == 0 { frames += 1 }
                continue
            }
            head.append(bytes[place])
            place += 1
            if head.count == 2, head[1] < 126 {
                (missing, head) = (Int(head[1]), [])
            } else if head.count == 4 {
                (missing, head) = (Int(head[2]) << 8 | Int(head[3]), [])
            }
        }
        return frames
    }
}
