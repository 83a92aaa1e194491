internal import AMQP

/// Reads an input as a list of frames. Each begins with a letter, so that the corpus can be read:
///
/// | letter | frame | operands |
/// |---|---|---|
/// | `d` `g` `r` | deliver, get-ok, return | - |
/// | `h` | header of the right channel and class | size |
/// | `H` | any header | channel, class, size |
/// | `b` | body of the right channel | count, then the bytes |
/// | `B` | any body | channel, count, then the bytes |
/// | `m` | any method | channel, which |
///
/// A size is one byte; from 240 on it stands for something large. Any other byte is a deliver on a wrong channel, or
/// an ack.
struct InputReader {
    private let input: UnsafeRawBufferPointer
    private var offset = 0

    init(_ input: UnsafeRawBufferPointer) { self.input = input }

    mutating func byte() -> UInt8? {
        guard offset < input.count else { return nil }
        defer { offset += 1 }
        return input[offset]
    }

    mutating func frame() -> IncomingFrame? {
        guard let letter = byte() else { return nil }
        switch letter {
        case UInt8(ascii: "d"): return .method(channel: 1, Self.methods[0])
        case UInt8(ascii: "g"): return .method(channel: 1, Self.methods[1])
        case UInt8(ascii: "r"): return .method(channel: 1, Self.methods[2])
        case UInt8(ascii: "h"): return header(channel: 1, classID: 60)
        case UInt8(ascii: "H"):
            let channel = channel()
            return header(channel: channel, classID: (byte() ?? 0) & 7 == 0 ? 50 : 60)
        case UInt8(ascii: "b"): return body(channel: 1)
        case UInt8(ascii: "B"):
            let channel = channel()
            return body(channel: channel)
        case UInt8(ascii: "m"):
            let channel = channel()
            return .method(channel: channel, Self.methods[Int(byte() ?? 0) % Self.methods.count])
        default: return .method(channel: letter & 1 == 0 ? 2 : 1, Self.methods[letter & 2 == 0 ? 0 : 4])
        }
    }

    private mutating func channel() -> UInt16 { UInt16((byte() ?? 0) % 3) }

    private mutating func header(channel: UInt16, classID: UInt16) -> IncomingFrame {
        let size = byte() ?? 0
        return .header(
            channel: channel, classID: classID, bodySize: size < 240 ? UInt64(size) : .max &>> (UInt64(size & 15) &* 4),
            properties: MessageProperties(messageID: size & 1 == 0 ? nil : "m"))
    }

    private mutating func body(channel: UInt16) -> IncomingFrame {
        let end = min(offset + 1 + Int(byte() ?? 0), input.count)
        defer { offset = end }
        return .body(channel: channel, UnsafeRawBufferPointer(rebasing: input[min(offset, end)..<end]))
    }

    private static let methods: [IncomingMethod] = [
        .deliver(consumerTag: "c", deliveryTag: 1, redelivered: false, exchange: "x", routingKey: "k"),
        .getOk(deliveryTag: 2, redelivered: true, exchange: "x", routingKey: "k"),
        .returned(replyCode: 312, replyText: "NO_ROUTE", exchange: "x", routingKey: "k"), .getEmpty,
        .acknowledge(tag: 4, multiple: true), .refuse(tag: 4, multiple: false), .cancel(consumerTag: "c"),
        .cancelOk(consumerTag: "c"), .channelClose(replyCode: 406, replyText: "t"),
        .connectionClose(replyCode: 320, replyText: "t"), .blocked(reason: "low on memory"), .unblocked,
        .other(0x000A_0046),
    ]
}
