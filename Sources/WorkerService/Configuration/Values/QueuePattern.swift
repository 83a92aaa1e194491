/// What makes a pattern for reply queues safe: no customer may be able to name another's queue with it.
enum QueuePattern {
    static let customer = "{customer}"
    static let prefix = "{prefix}"

    /// `nil` where the pattern is good.
    static func problem(of pattern: String, allowsStar: Bool) -> String? {
        let filled = pattern.replacing(prefix, with: "p")
        let parts = filled.split(separator: customer, omittingEmptySubsequences: false)
        if parts.contains(where: { $0.contains("{") || $0.contains("}") }) {
            return "only {prefix} and {customer} can stand in braces"
        }
        if pattern.utf8.starts(with: "amq.".utf8) { return "names with amq. belong to the broker" }
        if !allowsStar, pattern.contains("*") { return "a queue's name cannot hold *" }
        guard parts.count > 1 else { return nil }
        // Customers are of A-Z a-z 0-9 _ -: next to one of these, `bob` would also match in `bobby`.
        for (left, right) in zip(parts, parts.dropFirst()) {
            if let byte = left.utf8.last, ConfigurationName.isWordByte(byte) {
                return "a dot has to stand between {customer} and what comes before it"
            }
            if let byte = right.utf8.first, ConfigurationName.isWordByte(byte) || byte == UInt8(ascii: "*") {
                return "a dot has to stand between {customer} and what follows"
            }
        }
        if parts.count > 2, parts[1].isEmpty { return "two {customer} cannot stand side by side" }
        if parts[0].contains("*") { return "* can only stand behind {customer}, else it matches other customers" }
        return nil
    }

    /// Whether everybody would share the queue.
    static func isShared(_ pattern: String) -> Bool { !pattern.contains(customer) }
}
