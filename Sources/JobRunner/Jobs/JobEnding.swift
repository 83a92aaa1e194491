internal import AMQP
internal import ChatModel
internal import Webhooks

/// The messages that end a job: the terminal reply, and what must be confirmed besides it.
struct JobEnding {
    let host: JobHost
    let job: Job
    let outcome: JobMachine.Outcome
    let writer: ResultWriter
    /// Called for each message when it is confirmed, on the publisher thread.
    let receipt: @Sendable (_ isReply: Bool, DurableMessage.Settlement) -> Void

    /// Messages for one attempt. A part that cannot be made (a name too long for AMQP, which the validation has
    /// refused before) is left out rather than keep the job for ever.
    func terminal(
        _ log: borrowing AnswerLog, attempt: AttemptNumber, run: String, of delivery: Delivery
    ) -> AnswerStream.Terminal {
        let (body, kind) = reply(log)
        let receipt = receipt
        var terminal = AnswerStream.Terminal(
            attempt: attempt, generation: delivery.tag.generation, companions: [])
        if let address = ReplyAddress(job, host.configuration.plan),
            let template = address.template(kind, attempt: attempt, run: run)
        {
            terminal.reply = DurableMessage(
                template: template, body: body, routing: address.tellsUnroutable ? .told : .ignored,
                settled: {
                    Failpoint.terminalConfirmed.hit()
                    receipt(true, $0)
                })
        }
        let now = host.wallClock()
        if let target = job.webhook.flatMap({ try? WebhookTarget(parsing: $0) }) {
            let task = WebhookTask(
                customer: job.customer, job: job.id, target: target, type: outcome.eventType, data: body,
                attempt: attempt, time: now, traceparent: job.traceparent)
            let message = try? Messages.webhook(
                task, queue: host.names.webhooks, user: host.user,
                settled: {
                    Failpoint.webhookQueued.hit()
                    receipt(false, $0)
                })
            if let message { terminal.companions.append(message) }
        }
        let event = try? Messages.event(
            exchange: host.names.events, routingKey: "usage.\(job.customer)",
            messageID: "\(job.id)/\(attempt.value)/usage", user: host.user,
            body: writer.usageEvent(outcome.word, log, time: now),
            settled: {
                Failpoint.usageConfirmed.hit()
                receipt(false, $0)
            })
        if let event { terminal.companions.append(event) }
        if outcome.isCancellation,
            let message = host.control.cancelledMessage(job.key, settled: { receipt(false, $0) })
        {
            terminal.companions.append(message)
        }
        return terminal
    }

    private func reply(_ log: borrowing AnswerLog) -> ([UInt8], ReplyAddress.Kind) {
        switch outcome {
        case .completed: (writer.completion(log), .completion)
        case .failed(let failure): (writer.error(failure, log), .error)
        }
    }
}
