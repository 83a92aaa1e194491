/// Kinds of refusal that decide more than their HTTP status does: whether another model may do better, whether a wait may help,
/// and whether somebody must act. No standard names them; `RefusalWords` has what providers call them.
public enum RefusalKind: String, Sendable, CaseIterable {
    /// The messages are longer than the model, or the limit of the account for one request, takes.
    case contextTooLong = "context_too_long"
    /// What was asked, or would be said, is filtered.
    case contentFilter = "content_filter"
    /// The account has no money or no quota left: no wait of minutes helps, somebody has to pay or to raise a limit.
    case outOfCredit = "out_of_credit"
    /// The gateway does not have the model, or has it no more.
    case modelGone = "model_gone"
    /// The gateway, or the model behind it, has too much to do.
    case overloaded
    /// It asks for fewer requests.
    case rateLimited = "rate_limited"

    /// The same request cannot go well in a while.
    var isFinal: Bool {
        switch self {
        case .contextTooLong, .contentFilter, .outOfCredit, .modelGone: true
        case .overloaded, .rateLimited: false
        }
    }
}
