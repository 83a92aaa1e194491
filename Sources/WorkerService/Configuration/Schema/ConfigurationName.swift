/// What a NAME may look like.
struct ConfigurationName: Sendable {
    let summary: String
    let longest: Int
    let extra: Set<UInt8>

    /// Gateways, profiles, endpoints, prefixes: also dots.
    static let label = ConfigurationName(
        summary: "1 to 64 of A-Z a-z 0-9 _ - .", longest: 64, extra: [UInt8(ascii: ".")])
    /// As customers are named in jobs.
    static let customer = ConfigurationName(summary: "1 to 64 of A-Z a-z 0-9 _ -", longest: 64, extra: [])
    /// As gateways name models: `gpt-4.1`, `meta-llama/Llama-3:free`.
    static let model = ConfigurationName(
        summary: "1 to 128 of A-Z a-z 0-9 _ - . : / @ +", longest: 128, extra: Set(".:/@+".utf8))

    func allows(_ name: String) -> Bool {
        (1...longest).contains(name.utf8.count)
            && name.utf8.allSatisfy { Self.isWordByte($0) || extra.contains($0) }
    }

    static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
