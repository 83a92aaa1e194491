internal import AMQP

/// Why a message can never be delivered: the broker closes the channel, or the connection, whenever it is published.
struct Undeliverable: Sendable, Equatable, CustomStringConvertible {
    /// In the broker's words; they name exchanges and sizes, and never hold a body.
    let text: String
    let replyCode: Int
    /// Another message of the same sender may go: a shorter one.
    let isTooLarge: Bool

    /// `nil` where no message can be at fault: the operator has closed the connection (AMQP 0-9-1: 320), or an exchange is
    /// missing (404), which the worker declares and a message cannot help.
    init?(_ error: AMQPError) {
        guard error.isBrokersClose, let code = error.replyCode, code != 320, code != 404 else { return nil }
        text = error.message
        replyCode = code
        // RabbitMQ: "PRECONDITION_FAILED - message size N is larger than configured max size N"; 311 is AMQP's own word.
        isTooLarge = code == 311 || code == 406 && error.message.contains("message size")
    }

    var description: String { "the broker closes the connection over it (\(replyCode)): \(text)" }
}
