/// Says which addresses a webhook must never reach: whatever is not the public internet, so that nobody can make the
/// worker talk to what stands behind its firewall (SSRF). Judges bytes; a name has to be resolved first.
public struct AddressGuard: Sendable {
    /// The special-purpose registries of IANA (IPv4 and IPv6), plus the deprecated IPv4-compatible and site-local
    /// IPv6 networks. Networks that embed an IPv4 address (NAT64, 6to4, Teredo) are refused as a whole.
    public static let refused: [CIDRBlock] = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b::/96",
        "64:ff9b:1::/48", "2002::/16", "2001::/32", "2001:db8::/32", "3fff::/20", "100::/64", "5f00::/16",
    ].compactMap { CIDRBlock($0) }

    /// Networks that the configuration allows although the list refuses them.
    public let allowed: [CIDRBlock]

    public init(allowed: [CIDRBlock] = []) {
        self.allowed = allowed
    }

    /// The network for whose sake `address` is refused; `nil` where it may be reached.
    public func refusal(of address: IPAddress) -> CIDRBlock? {
        guard let network = Self.refused.first(where: { $0.contains(address) }) else { return nil }
        return self.allowed.contains { $0.contains(address) } ? nil : network
    }
}
