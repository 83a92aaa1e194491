internal import AMQP
internal import ChatModel

extension ResultWriter {
    /// The usage event of the attempt that is told (`shown`): what billing needs, without the text, and in its headers what
    /// the workers' ledgers need. One for each attempt, with an id of its own.
    ///
    /// - Parameters:
    ///   - failure: why the attempt came to nothing.
    ///   - webhookID: of the task that was queued with it.
    func usageEvent(
        _ log: borrowing AnswerLog, _ host: JobHost, time: Timestamp, failure: JobFailure? = nil,
        webhookID: String? = nil,
        settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) -> DurableMessage? {
        var body: [UInt8] = []
        body.append(
            contentsOf:
                "{\"type\":\"usage\",\"timestamp\":\"\(time.rfc3339)\",\"outcome\":\"\(shown.outcome.rawValue)\",\"gateway\":"
                .utf8)
        JSONText.appendQuoted(shown.gateway.utf8, to: &body)
        body.append(contentsOf: ",\"worker\":".utf8)
        JSONText.appendQuoted(host.worker.utf8, to: &body)
        if let failure {
            body.append(contentsOf: ",\"error\":".utf8)
            failure.eventValue.append(to: &body)
        }
        if let webhookID {
            body.append(contentsOf: ",\"webhook_id\":".utf8)
            JSONText.appendQuoted(webhookID.utf8, to: &body)
        }
        body.append(contentsOf: ",\"usage\":".utf8)
        appendUsage(log, to: &body)
        body.append(contentsOf: ",\"charged\":{\"prompt_tokens\":\(shown.usage.promptTokens)".utf8)
        body.append(contentsOf: ",\"completion_tokens\":\(shown.usage.completionTokens)".utf8)
        shown.usage.appendCacheMembers(to: &body)
        body.append(contentsOf: "},\"job\":".utf8)
        appendJob(attempt: shown.attempt, to: &body)
        body.append(contentsOf: "}}".utf8)
        return try? Messages.event(
            exchange: host.names.events, routingKey: "\(JournalMessage.Kind.usage).\(job.customer)",
            messageID: "\(job.id)/\(shown.attempt)/usage", type: JournalMessage.Kind.usage,
            headers: JournalMessage.headers(job.key, shown, time: time), user: host.user, body: body, settled: settled)
    }
}
