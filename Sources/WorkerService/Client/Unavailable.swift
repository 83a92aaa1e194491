import AMQP

/// Something that a command needs is not there, or refused. One sentence for a person: what, and what to do.
package struct Unavailable: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    /// A queue or exchange of the worker's topology is missing.
    static func missing(_ name: String) -> Unavailable {
        Unavailable("\(name) is not there: start a worker once, or run `chat-worker topology --declare`")
    }

    /// Likewise where the broker says so; any other error stays what it is.
    static func missing(_ name: String, where error: AMQPError) -> any Error {
        error.replyCode == 404 ? missing(name) : error
    }
}
