public import NIOCore

extension IPAddress {
    /// `nil` for a Unix domain socket.
    public init?(_ address: SocketAddress) {
        switch address {
        case .v4(let address):
            self.init(ipv4: UInt32(bigEndian: address.address.sin_addr.s_addr))
        case .v6(let address):
            let value = withUnsafeBytes(of: address.address.sin6_addr) { IPAddress(bytes: Array($0)) }
            guard let value else { return nil }
            self = value
        case .unixDomainSocket:
            return nil
        }
    }
}
