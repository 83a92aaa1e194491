/// Says which addresses a webhook must never reach: whatever is not the public internet, so that nobody can make the
/// worker talk to what stands behind its firewall (SSRF). Judges bytes; a name has to be resolved first.
public struct AddressGuard: Sendable {
    /// The special-purpose registries of IANA (IPv4 and IPv6), plus the deprecated IPv4-compatible and site-local
    /// IPv6 networks. Networks that embed an IPv4 address (6to4, Teredo) are refused as a whole, but for those of NAT64:
    /// there the address inside decides, since on an IPv6-only host every IPv4-only receiver has one of them.
    public static let refused: [CIDRBlock] = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b::/96",
        "64:ff9b:1::/48", "2002::/16", "2001::/32", "2001:db8::/32", "3fff::/20", "100::/64", "5f00::/16",
    ].compactMap { CIDRBlock($0) }

    /// What IANA has given to the regional registries, of all IPv6 addresses: nothing else is on the public internet, whatever
    /// its bits look like. 2001::/23, where the protocols' own networks lie, is left out as a whole.
    public static let assigned: [CIDRBlock] = [
        "2001:200::/23", "2001:400::/23", "2001:600::/23", "2001:800::/22", "2001:c00::/23", "2001:e00::/23",
        "2001:1200::/23", "2001:1400::/22", "2001:1800::/23", "2001:1a00::/23", "2001:1c00::/22", "2001:2000::/19",
        "2001:4000::/23", "2001:4200::/23", "2001:4400::/23", "2001:4600::/23", "2001:4800::/23", "2001:4a00::/23",
        "2001:4c00::/23", "2001:5000::/20", "2001:8000::/19", "2001:a000::/20", "2001:b000::/20", "2003::/18",
        "2400::/12", "2410::/12", "2600::/12", "2610::/23", "2620::/23", "2630::/12", "2800::/12", "2a00::/12",
        "2a10::/12", "2c00::/12",
    ].compactMap { CIDRBlock($0) }

    /// Networks that the configuration allows although the list refuses them.
    public let allowed: [CIDRBlock]
    /// The only networks that may be reached; empty: all. `allowed` is needed besides.
    public let only: [CIDRBlock]
    /// Networks that the configuration refuses besides; count before all else.
    public let denied: [CIDRBlock]

    /// Why an address is refused.
    public enum Refusal: Sendable, Equatable, CustomStringConvertible {
        /// It is not of the public internet, and not of a network that is allowed all the same.
        case special(CIDRBlock)
        /// An IPv6 address that no registry has.
        case unassigned
        case denied(CIDRBlock)
        case unlisted

        public var description: String {
            switch self {
            case .special(let network): "\(network)"
            case .unassigned: "of a network that is not assigned"
            case .denied(let network): "\(network), webhooks.deny_networks"
            case .unlisted: "not in webhooks.only_networks"
            }
        }
    }

    public init(allowed: [CIDRBlock] = [], only: [CIDRBlock] = [], denied: [CIDRBlock] = []) {
        self.allowed = allowed
        self.only = only
        self.denied = denied
    }

    /// `nil` where it may be reached.
    public func refusal(of address: IPAddress) -> Refusal? {
        func first(_ networks: [CIDRBlock]) -> CIDRBlock? { networks.first { $0.contains(address) } }
        if let network = first(self.denied) { return .denied(network) }
        if first(self.allowed) == nil, let inside = NAT64.addresses(in: address) {
            return refusal(ofTranslated: address, inside)
        }
        if !self.only.isEmpty, first(self.only) == nil { return .unlisted }
        guard first(self.allowed) == nil else { return nil }
        if let network = first(Self.refused) { return .special(network) }
        return address.isIPv4 || first(Self.assigned) != nil ? nil : .unassigned
    }

    /// Of an address that a translator makes an IPv4 address of: all that it may make have to pass.
    private func refusal(ofTranslated address: IPAddress, _ inside: [IPAddress]) -> Refusal? {
        guard !inside.isEmpty else { return Self.refused.first { $0.contains(address) }.map { .special($0) } }
        let isListed = only.contains { $0.contains(address) }
        for inner in inside {
            switch refusal(of: inner) {
            case nil: continue
            case .unlisted where isListed:
                if let refusal = AddressGuard(allowed: allowed, denied: denied).refusal(of: inner) { return refusal }
            case let refusal?: return refusal
            }
        }
        return nil
    }
}
