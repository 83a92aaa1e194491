/// Everything that can go wrong between this process and the broker. Never holds a password or a message body.
public struct AMQPError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// No node could be reached (refused, no route, name not found, timeout).
        case unreachable
        /// TLS failed: unknown CA, wrong host name, expired, too old a version.
        case tls
        /// The broker refused user, password or virtual host.
        case accessRefused
        /// The broker closed the channel; `replyCode` says why (404, 406, ...).
        case channelClosed
        /// The broker closed the connection; `replyCode` says why (320, 501, 504, ...).
        case connectionClosed
        /// The socket failed, or nothing was heard for two heartbeats.
        case connectionLost
        /// A synchronous method was not answered in time.
        case timeout
        /// What the broker sent is not AMQP 0-9-1, or is over a limit.
        case protocolViolation
        /// A file (CA, certificate, key) cannot be read.
        case configuration
        /// This side closed the connection.
        case closed
    }

    public var code: Code
    /// AMQP reply code, where the broker gave one.
    public var replyCode: Int?
    /// One sentence for a person: what happened, with what name, and what to do.
    public var message: String

    public init(_ code: Code, _ message: String, replyCode: Int? = nil) {
        self.code = code
        self.replyCode = replyCode
        self.message = message
    }

    /// The broker itself has closed the channel or the connection, and says why.
    public var isBrokersClose: Bool {
        (code == .channelClosed || code == .connectionClosed) && replyCode != nil
    }

    public var description: String {
        replyCode.map { "\(code.rawValue) (\($0)): \(message)" } ?? "\(code.rawValue): \(message)"
    }
}
