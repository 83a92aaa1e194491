internal import NIOCore

/// When things happened to a job, in nanoseconds of the monotonic clock (0: not yet).
struct JobTimings: BitwiseCopyable, Sendable {
    var received: UInt64 = 0
    /// The first try, and the last.
    var begun: UInt64 = 0
    var asked: UInt64 = 0
    var connected: UInt64 = 0
    var firstOutput: UInt64 = 0
    var ended: UInt64 = 0
    /// Milliseconds between the backend's publish and the delivery, where the message has a timestamp.
    var queuedBefore: Int64 = 0

    /// The monotonic clock.
    static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// The `timings` of a result: milliseconds with three decimals. `queued` until the first try began, `connect` for
    /// the last try's connection (about 0 on a reused one), `first_token` from then to the first output.
    func append(to output: inout [UInt8]) {
        output.append(contentsOf: "{\"queued_ms\":".utf8)
        let waited = begun > received ? begun - received : 0
        Self.append(UInt64(max(queuedBefore, 0)) * 1_000_000 + waited, to: &output)
        output.append(contentsOf: ",\"connect_ms\":".utf8)
        Self.append(connected > asked && asked > 0 ? connected - asked : nil, to: &output)
        output.append(contentsOf: ",\"first_token_ms\":".utf8)
        Self.append(firstOutput > asked && asked > 0 ? firstOutput - asked : nil, to: &output)
        output.append(contentsOf: ",\"total_ms\":".utf8)
        Self.append(ended > received ? ended - received : 0, to: &output)
        output.append(0x7D)
    }

    private static func append(_ nanoseconds: UInt64?, to output: inout [UInt8]) {
        guard let nanoseconds else { return output.append(contentsOf: "null".utf8) }
        let thousandths = String(nanoseconds / 1_000 % 1_000)
        output.append(contentsOf: "\(nanoseconds / 1_000_000).".utf8)
        output.append(contentsOf: (String(repeating: "0", count: 3 - thousandths.count) + thousandths).utf8)
    }
}
