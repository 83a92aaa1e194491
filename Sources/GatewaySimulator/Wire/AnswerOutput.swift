/// Where the messages of an answer are written, in the form of one protocol.
protocol AnswerOutput {
    /// One message made of three parts.
    mutating func message(_ head: [UInt8], _ middle: UnsafeRawBufferPointer, _ tail: [UInt8])
    /// A message in its plainest form, whatever the options say; for messages that are wrong on purpose.
    mutating func plainText(_ bytes: [UInt8])
    /// A message in so many frames, where the protocol knows frames; most of them are empty where it is shorter.
    mutating func fragments(_ bytes: [UInt8], count: Int, pings: Bool)
    /// Bytes of an event stream as they stand; nothing in another protocol.
    mutating func raw(_ bytes: [UInt8])
    /// Something that the protocol does not allow, where that can be said.
    mutating func badFrame()
}

extension AnswerOutput {
    mutating func raw(_ bytes: [UInt8]) {}

    mutating func message(_ bytes: [UInt8]) {
        message(bytes, UnsafeRawBufferPointer(start: nil, count: 0), [])
    }
}
