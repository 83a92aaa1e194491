import Dispatch
import Glibc

@testable import WorkerService

/// What systemd holds on the other end: a Unix datagram socket, by path or abstract name.
final class DatagramSocket: Sendable {
    let descriptor: Int32

    init?(_ name: String) {
        guard let address = NotifyAddress(name) else { return nil }
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard address.withSocketAddress({ bind(descriptor, $0, $1) }) == 0 else { return nil }
    }

    deinit {
        close(descriptor)
    }

    /// The next datagram's lines; `nil` after 10 seconds without one. Waits on a thread of its own, not on a task's.
    func receive() async -> [String]? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: self.receiveBlocking()) }
        }
    }

    private func receiveBlocking() -> [String]? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { return nil }
        return String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
