internal import ChatModel

/// What a log may say of a refused message. Keys that its sender made up are the sender's text: the reply and the dead
/// letter name them, the log does not.
extension InvalidJob {
    private static let jobFields: Set = [
        "job.id", "job.customer", "job.profile", "job.reply_to", "job.webhook", "job.deadline", "job.metadata",
    ]

    private var namesForeignKey: Bool {
        field.hasPrefix("body (") || field.hasPrefix("job.") && !Self.jobFields.contains(field)
    }

    /// `body` or `job` where the field itself is not known here.
    var loggedField: String {
        namesForeignKey ? String(field.prefix { $0 != " " && $0 != "." }) : field
    }

    var loggedReason: String { namesForeignKey ? "one of its keys is wrong; the dead letter names it" : reason }
}
