import Foundation
import TestSupport

/// What systemd holds on the other end of `$NOTIFY_SOCKET`; a thread of its own writes what comes into a log.
final class NotifySocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(path: String, log: EventLog<ProcessEvent>) throws {
        self.path = path
        var address = Self.address(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isBound else {
            close(descriptor)
            throw TestBroker.Failure(description: "cannot listen on \(path)")
        }
        self.descriptor = descriptor
        Thread {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count < 0, errno == EINTR { continue }
                // Nothing: `deinit` has shut it down.
                guard count > 0 else { break }
                let text = String(decoding: buffer.prefix(count), as: UTF8.self)
                log.append(.notified(text.split(separator: "\n").map(String.init)))
            }
            close(descriptor)
        }.start()
    }

    deinit { shutdown(descriptor, Int32(SHUT_RD)) }

    private static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return address
    }
}
