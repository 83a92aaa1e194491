/// Where the messages of an answer are written, in the form of one protocol.
protocol AnswerOutput {
    /// One message made of three parts.
    mutating func message(_ head: [UInt8], _ middle: UnsafeRawBufferPointer, _ tail: [UInt8])
    /// A message in its plainest form, whatever the options say; for messages that are wrong on purpose.
    mutating func plainText(_ bytes: [UInt8])
}

extension AnswerOutput {
    mutating func message(_ bytes: [UInt8]) {
        message(bytes, UnsafeRawBufferPointer(start: nil, count: 0), [])
    }
}
