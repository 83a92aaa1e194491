/// Why a stand-in could not start.
public struct SimulatorError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// The options contradict each other or are out of range.
        case invalidOptions
        /// A file cannot be read or written, or holds something else than it should.
        case unreadableFile
        /// The address cannot be bound.
        case cannotListen
    }

    public var code: Code
    /// One sentence; never a secret.
    public var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
