/// How the lines of an event stream end.
public enum LineEnd: String, Sendable, CaseIterable {
    case lf, crlf, cr
    /// Any of them, chosen by the seed for each event.
    case mixed
}
