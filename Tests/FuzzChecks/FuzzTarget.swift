/// The code that reads bytes of others. Its raw values name the folders in `Fuzz/Corpus`.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// `FrameScanner` and `AnswerLog`.
    case scanner
    /// `JobParser` and `RequestSplicer`.
    case job
    /// `FrameAssembler`, between librabbitmq and the loops.
    case amqp
    /// `WebSocketMessageAssembler`.
    case websocket
    /// `EventStreamParser`.
    case eventstream
    /// `ControlMessage`, and what remembers it.
    case control
    /// `JournalMessage` and the ledger, and the other messages of the worker's own that carry numbers in headers.
    case journal

    /// Runs the code on one input and checks what must hold whatever the input is. Pure: what it did once it does again.
    ///
    /// - Throws: what does not hold.
    public func check(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        switch self {
        case .scanner: try AnswerCheck.run(input)
        case .job: try JobCheck.run(input)
        case .amqp: try FrameCheck.run(input)
        case .websocket: try WebSocketCheck.run(input)
        case .eventstream: try EventStreamCheck.run(input)
        case .control: try ControlCheck.run(input)
        case .journal: try JournalCheck.run(input)
        }
    }
}

/// A sentence that was held to be true of every input.
public struct BrokenInvariant: Error, CustomStringConvertible {
    public let description: String
}

/// Throws where `holds` is false.
func require(_ holds: Bool, _ sentence: @autoclosure () -> String) throws(BrokenInvariant) {
    guard holds else { throw BrokenInvariant(description: sentence()) }
}
