/// A network: an address and the number of its leading bits that count.
public struct CIDRBlock: Sendable, Hashable {
    public let address: IPAddress
    /// 0-32 for IPv4, 0-128 for IPv6.
    public let prefixLength: Int

    /// `nil` where the prefix is too long, or bits after it are set.
    public init?(address: IPAddress, prefixLength: Int) {
        let width = address.isIPv4 ? 32 : 128
        guard (0...width).contains(prefixLength) else { return nil }
        self.address = address
        self.prefixLength = prefixLength
        guard address.value & ~self.mask == 0 else { return nil }
    }

    /// `10.0.0.0/8`, `fd00::/8`, or one address. Strict: a set bit after the prefix is a mistake and not rounded away.
    /// A network of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) is the IPv4 network that it stands for.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        let isMapped = address.isIPv4 && parts[0].contains(":")
        let width = isMapped || !address.isIPv4 ? 128 : 32
        var length = width
        if parts.count == 2 {
            let digits = parts[1].utf8
            let isDecimal = digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard isDecimal, (1...3).contains(digits.count),
                digits.count == 1 || digits.first != UInt8(ascii: "0"), let number = Int(parts[1])
            else { return nil }
            length = number
        }
        self.init(address: address, prefixLength: isMapped ? length - 96 : length)
    }

    public func contains(_ other: IPAddress) -> Bool {
        other.isIPv4 == self.address.isIPv4 && other.value & self.mask == self.address.value
    }

    /// 4 or 16 bytes in network order; anything else is in no network.
    public func contains(bytes: some Collection<UInt8>) -> Bool {
        IPAddress(bytes: bytes).map { self.contains($0) } ?? false
    }

    /// A smart shift: 0 bits, and all of them, are within its range.
    private var mask: UInt128 {
        let width = self.address.isIPv4 ? 32 : 128
        let all: UInt128 = self.address.isIPv4 ? 0xffff_ffff : .max
        return all & (UInt128.max << (width - self.prefixLength))
    }
}

extension CIDRBlock: CustomStringConvertible {
    public var description: String { "\(self.address)/\(self.prefixLength)" }
}
