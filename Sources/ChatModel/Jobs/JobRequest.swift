/// The gateway's request of a job: members of its body as they stand, and what the route and the profile add. The body is the
/// delivery's own, shared with it, and the request is put together when it is sent: a job that waits is held once and
/// not twice.
public struct JobRequest: Sendable, Equatable {
    private let body: [UInt8]
    /// Of the members of the body that are a part of it.
    private let kept: [ByteRange]
    /// What the profile adds, with a leading comma each.
    private let additions: [UInt8]
    /// What is the route's.
    private var beginning: [UInt8]
    private var end: [UInt8]
    /// Bytes that it will have.
    public private(set) var count: Int

    init(_ body: [UInt8], keeping kept: [ByteRange], adding additions: [UInt8], route: ModelRoute) {
        self.body = body
        self.kept = kept
        self.additions = additions
        (beginning, end, count) = ([], [], 0)
        reroute(to: route)
    }

    /// The same request, to be asked elsewhere: only its beginning and its end depend on that.
    mutating func reroute(to route: ModelRoute) {
        beginning = Array("{\"model\":".utf8)
        JSONText.appendQuoted(route.upstreamModel.utf8, to: &beginning)
        end = Array(",\"stream\":true".utf8)
        if route.includeUsage { end.append(contentsOf: ",\"stream_options\":{\"include_usage\":true}".utf8) }
        end.append(0x7D)
        count = beginning.count + kept.reduce(0) { $0 + 1 + Int($1.count) } + additions.count + end.count
    }

    /// Put together anew each time.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(count)
        output.append(contentsOf: beginning)
        body.withUnsafeBytes { bytes in
            for range in kept {
                output.append(0x2C)
                output.append(contentsOf: bytes[range])
            }
        }
        output.append(contentsOf: additions)
        output.append(contentsOf: end)
        return output
    }
}
