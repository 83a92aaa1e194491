/// One event of a stream: what a worker, or an operator's command, has said on `PREFIX.events`.
struct StreamEntry: Sendable {
    /// `endpoint.STATE`, ...
    var routingKey: String
    var messageID: String
    var body: [UInt8]
}

/// Who reads a stream back. Called on the consumer's thread, in the order of the stream, which is the same for every
/// worker; must not block. After a lost connection an entry may come twice.
protocol StreamReader: Sendable {
    func read(_ entry: StreamEntry)
    /// All that was written before this worker came is read; what follows is new. Once for each connection.
    func isCurrent()
}
