/// Which IPv4 addresses a translator may make of an IPv6 address (RFC 6052). The well-known network has one form; in the one
/// for local use (RFC 8215) each operator chooses how long the prefix is, which the address does not tell. Pure.
enum NAT64 {
    /// `64:ff9b::/96`
    private static let wellKnown: UInt128 = 0x0064_ff9b << 96
    /// `64:ff9b:1::/48`
    private static let local: UInt128 = 0x0064_ff9b_0001 << 80

    /// `nil` where it is of neither network; empty where no translator would take it. Otherwise every address that may be
    /// meant: whoever judges has to be content with all of them.
    static func addresses(in address: IPAddress) -> [IPAddress]? {
        guard !address.isIPv4 else { return nil }
        let value = address.value
        let last = IPAddress(ipv4: UInt32(truncatingIfNeeded: value))
        if value >> 32 == wellKnown >> 32 { return [last] }
        guard value >> 80 == local >> 80 else { return nil }
        // Bits 64 to 71 are zero in every form.
        guard (value >> 56) & 0xff == 0 else { return [] }
        // The prefix has 96 bits, perhaps with a network's number in bits 48 to 63, as nearly everywhere. Read with a shorter
        // prefix it would be an address that ends in two zeros, which is a network's and no host's.
        if (value >> 32) & 0xff_ffff == 0, value & 0xffff_ffff != 0 { return [last] }
        // With a prefix of 48, 56 and 64 bits the address goes around bits 64 to 71.
        let before = UInt32(truncatingIfNeeded: value >> 64)
        let after = UInt32(truncatingIfNeeded: value >> 24)
        let all = [before << 16 | after >> 16, before << 24 | after >> 8, after].map { IPAddress(ipv4: $0) } + [last]
        // 0.0.0.0/8 is sent nowhere: that form is not meant.
        return all.filter { $0.value >> 24 != 0 }
    }
}
