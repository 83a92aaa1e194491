internal import AMQP

/// Reads an input as a message of one of the worker's own streams or queues, so that the corpus can be read:
///
/// - the first byte says who has published it: `w` a worker, anything else somebody;
/// - then lines, each a letter and its text: `t` type, `i` message id, `s` timestamp, or a header as `n NAME=NUMBER`,
///   `h NAME=TEXT`;
/// - an empty line; the rest is the body.
struct DeliveryReader {
    static let worker = "worker"
    let delivery: Delivery

    init(_ input: UnsafeRawBufferPointer) {
        var lines = input.dropFirst().split(separator: 0x0A, maxSplits: 64, omittingEmptySubsequences: false)[...]
        var properties = MessageProperties(userID: input.first == UInt8(ascii: "w") ? Self.worker : "somebody")
        while let line = lines.popFirst(), let kind = line.first {
            let text = String(decoding: line.dropFirst(), as: UTF8.self)
            switch kind {
            case UInt8(ascii: "t"): properties.type = text
            case UInt8(ascii: "i"): properties.messageID = text
            case UInt8(ascii: "s"): properties.timestamp = UInt64(text)
            case UInt8(ascii: "n"), UInt8(ascii: "h"):
                guard let split = text.firstIndex(of: "=") else { continue }
                let (name, value) = (String(text[..<split]), text[text.index(after: split)...])
                if kind == UInt8(ascii: "h") {
                    properties.headers[name] = .string(String(value))
                } else if let number = Int64(value) {
                    properties.headers[name] = .int(number)
                }
            default: continue
            }
        }
        delivery = Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: "q", redelivered: false, exchange: "", routingKey: "q",
            properties: properties, body: Array(lines.joined(separator: [0x0A])))
    }
}
