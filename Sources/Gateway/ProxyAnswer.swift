/// A proxy's answer to CONNECT, as far as it has come: the head and nothing more, since no gateway speaks first. Pure.
struct ProxyAnswer {
    enum Verdict: Equatable {
        /// More of it has to come.
        case unfinished
        /// From here on the gateway is on the other side.
        case accepted
        case refused(status: Int)
        /// It is not HTTP, or too much of it.
        case garbage
    }

    /// Of the head, interim ones (1xx) included.
    static let longest = 16_384
    private var bytes: [UInt8] = []

    /// - Returns: what is known after these bytes; nothing may be added after another verdict than `unfinished`.
    mutating func add(_ more: some Sequence<UInt8>) -> Verdict {
        bytes.append(contentsOf: more)
        while let end = headEnd {
            guard let status = Self.status(bytes[..<end]) else { return .garbage }
            if (100...199).contains(status) {
                bytes.removeFirst(end)
                // Nobody has asked for another protocol.
                if status == 101 { return .garbage }
                continue
            }
            guard (200...299).contains(status) else { return .refused(status: status) }
            return end == bytes.count ? .accepted : .garbage
        }
        if bytes.count > Self.longest { return .garbage }
        // Whatever does not begin like HTTP is not waited for.
        let beginning = Array("HTTP/1.".utf8)
        return bytes.starts(with: beginning.prefix(bytes.count)) ? .unfinished : .garbage
    }

    /// Behind the empty line; `nil`: it has not come, or too late.
    private var headEnd: Int? {
        var lineStart = 0
        for index in bytes.indices.prefix(Self.longest) where bytes[index] == 0x0A {
            let length = index - lineStart
            if length == 0 || (length == 1 && bytes[lineStart] == 0x0D) { return index + 1 }
            lineStart = index + 1
        }
        return nil
    }

    /// `HTTP/1.1 200 Connection established`: three digits, the first of which is no zero.
    private static func status(_ head: ArraySlice<UInt8>) -> Int? {
        let line = head.prefix { $0 != 0x0A && $0 != 0x0D }
        let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count >= 2, parts[0].count == 8, parts[0].starts(with: "HTTP/1.".utf8), parts[1].count == 3,
            parts[1].allSatisfy({ (0x30...0x39).contains($0) }), parts[1].first != 0x30
        else { return nil }
        return parts[1].reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
