/// The version of a RabbitMQ, as it says it at login: `3.10.8`, `4.0.5`, `4.3.0-rc.1`. What stands behind the third number
/// is not kept.
public struct BrokerVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var major: Int
    public var minor: Int
    public var patch: Int

    public init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// `nil` where the text does not begin with two numbers, of at most nine digits each. A missing third one is 0.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Self.number(parts[0]), let minor = Self.number(parts[1]) else { return nil }
        self.init(major, minor, parts.count > 2 ? Self.number(parts[2]) ?? 0 : 0)
    }

    private static func number(_ part: Substring) -> Int? {
        let digits = part.prefix { $0.isASCII && $0.isNumber }
        return digits.utf8.count <= 9 ? Int(digits) : nil
    }

    public static func < (left: BrokerVersion, right: BrokerVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    public var description: String { "\(major).\(minor).\(patch)" }
}
