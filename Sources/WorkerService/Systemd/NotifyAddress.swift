import Glibc

/// The address in `$NOTIFY_SOCKET`: a path, or `@name` in the abstract namespace.
struct NotifyAddress: Sendable, Equatable {
    /// As it stands in `sun_path`: a NUL first where abstract, and none at the end.
    let bytes: [UInt8]

    init?(_ text: String) {
        var bytes = Array(text.utf8)
        guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
        switch bytes[0] {
        case UInt8(ascii: "/"): break
        case UInt8(ascii: "@"): bytes[0] = 0
        default: return nil
        }
        self.bytes = bytes
    }

    /// A path is followed by a NUL, an abstract name ends with the length.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let header = MemoryLayout.size(ofValue: address) - MemoryLayout.size(ofValue: address.sun_path)
        let length = header + bytes.count + (bytes[0] == 0 ? 0 : 1)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}
