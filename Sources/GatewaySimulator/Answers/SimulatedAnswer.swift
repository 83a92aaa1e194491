/// One answer that the simulated gateway gave, whole or not.
public struct SimulatedAnswer: Sendable, Equatable {
    public enum End: Sendable, Equatable {
        case complete
        /// A fault ended it; its word, such as `cut`.
        case fault(String)
        /// The client went away.
        case abandoned
    }

    /// Counts the requests of this gateway from 0, in the order of their arrival.
    public var request: Int
    /// Counts the connections of this gateway from 0.
    public var connection: Int
    /// `chatcmpl-…`
    public var id: String
    public var model: String
    /// The request's `user`, without a `simulate=` part.
    public var user: String?
    public var end: End
    /// Content tokens sent, over all choices.
    public var tokens: Int
    /// The text sent, for each choice.
    public var texts: [String]
    /// The request as it came.
    public var requestBody: [UInt8]

    /// The text of choice 0.
    public var text: String { texts.first ?? "" }
}
