import Glibc
import TestSupport

/// A client that sends what no HTTP client would, and reads what comes. Blocking calls; one thread at a time.
final class RawSocket: @unchecked Sendable {
    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    // Set once; only the kernel knows more.
    private let descriptor: Int32

    /// - Parameter patience: seconds that a read waits.
    init(port: Int, patience: Int = 30) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw Failed(description: String(cString: strerror(errno))) }
        var time = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { Glibc.close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Everything until the other side closes; throws where it does not in time.
    func readToEnd() async throws -> String {
        try await onOwnThread { [self] in
            var text = ""
            while let part = try receive() { text += part }
            return text
        }
    }

    /// Until `isEnough` of what has come.
    func read(until isEnough: @escaping @Sendable (String) -> Bool) async throws -> String {
        try await onOwnThread { [self] in
            var text = ""
            while !isEnough(text), let part = try receive() { text += part }
            return text
        }
    }

    private func receive() throws -> String? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        // A reset is an end as well.
        if count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
        guard count > 0 else { throw Failed(description: "nothing came: \(String(cString: strerror(errno)))") }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
