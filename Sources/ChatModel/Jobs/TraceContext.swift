/// A position in a distributed trace, as W3C Trace Context writes it in two headers. What is not written as the standard
/// asks is no trace context: it is dropped, and never a reason to refuse a job.
public struct TraceContext: Sendable, Hashable {
    /// `00-TRACE-PARENT-FLAGS`, or what a later version makes of it.
    public let traceparent: String
    /// What the vendors of the trace know besides; empty: nothing.
    public let tracestate: String

    /// - Returns: `nil` where the first header is missing or malformed; a malformed second one is left out.
    public init?(traceparent: String?, tracestate: String? = nil) {
        guard let traceparent, Self.isTraceparent(traceparent) else { return nil }
        self.traceparent = traceparent
        self.tracestate = tracestate.flatMap { Self.isTracestate($0) ? $0 : nil } ?? ""
    }

    /// Version 00 has exactly these four fields, later ones may have more behind them (section 3.2 of the standard).
    private static func isTraceparent(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (55...128).contains(bytes.count), bytes[2] == 0x2D, bytes[35] == 0x2D, bytes[52] == 0x2D,
            isHex(bytes[0..<2]), isHex(bytes[3..<35]), isHex(bytes[36..<52]), isHex(bytes[53..<55]),
            !isZero(bytes[3..<35]), !isZero(bytes[36..<52])
        else { return false }
        if bytes[0] == 0x66, bytes[1] == 0x66 { return false }
        if bytes.count == 55 { return true }
        guard bytes[0] != 0x30 || bytes[1] != 0x30 else { return false }
        return bytes[55] == 0x2D && bytes[56...].allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// Up to 32 members, 512 bytes, of printable ASCII. What a member says is between its vendors.
    private static func isTracestate(_ text: String) -> Bool {
        guard (1...512).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return false
        }
        let members = text.utf8.split(separator: 0x2C, omittingEmptySubsequences: true)
        return (1...32).contains(members.count)
            && members.allSatisfy { member in
                let member = member.drop { $0 == 0x20 }
                return member.isEmpty || (member.firstIndex(of: 0x3D).map { $0 != member.startIndex } ?? false)
            }
    }

    private static func isHex(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static func isZero(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.allSatisfy { $0 == 0x30 } }
}
