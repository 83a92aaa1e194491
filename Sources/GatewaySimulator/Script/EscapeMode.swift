/// How much of the text goes out as `\uXXXX` although JSON does not ask for it.
public enum EscapeMode: String, Sendable, CaseIterable {
    /// Only what JSON requires: quotes, backslashes and control characters.
    case none
    /// Some characters, chosen by the seed, with hex digits in either case.
    case some
    /// Everything outside ASCII, and `/` as `\/`.
    case all
}
