package import AMQP
import ChatModel
package import JobRunner

/// Finds out how far the control stream has come, which AMQP does not tell: writes a mark, and reads back where it
/// stands. Blocking; one thread.
package enum ControlMark {
    /// Where a mark written now stands in the stream.
    ///
    /// - Throws: `Unavailable` where it cannot be written, or is not read back in time; `AMQPError`.
    package static func place(
        configuration: AMQPConfiguration, names: QueueNames, timeout: Duration = .seconds(10)
    ) throws -> Int64 {
        let deadline = ContinuousClock.now + timeout
        let session = try AMQPSession(configuration: configuration, role: "mark")
        defer { session.close() }
        do throws(AMQPError) {
            // Read from before it is written on: whatever others write meanwhile, it comes by here. A stream gives
            // nothing without a prefetch.
            try session.consume(names.control, prefetch: 100, arguments: ["x-stream-offset": .string("next")])
        } catch {
            throw Unavailable.missing("the stream \(names.control)", where: error)
        }
        let mark = String(UInt64.random(in: .min ... .max), radix: 16)
        let body = JSONValue.object([.init("mark", .string(mark))]).serialized()
        let outcome = try session.publish(
            routingKey: names.control,
            properties: MessageProperties(
                contentType: "application/json", isPersistent: true, messageID: "mark/\(mark)", type: "mark",
                userID: configuration.username),
            body: body, mandatory: true)
        guard outcome == .confirmed else { throw Unavailable.missing("the stream \(names.control)") }
        while let delivery = try session.receive(timeout: deadline - .now) {
            try session.acknowledge(delivery)
            let properties = delivery.properties
            guard properties.userID == configuration.username, properties.type == "mark", delivery.body == body else {
                continue
            }
            if let offset = properties.headers.integer("x-stream-offset") { return offset }
        }
        throw Unavailable("the mark in the stream \(names.control) could not be read back within \(timeout)")
    }
}
