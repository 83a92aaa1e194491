internal import AMQP
internal import ChatModel
internal import Webhooks

/// The messages that end a job: the terminal reply, and what must be confirmed besides it.
struct JobEnding {
    let host: JobHost
    let job: Job
    let outcome: JobMachine.Outcome
    let writer: ResultWriter
    /// Of the attempt that ends with the job: the reply may tell of an earlier one.
    let event: ResultWriter
    let eventLog: AnswerLog
    /// Times that the gateway was asked, of a job whose message goes to the dead letters as well.
    var deadTries: Int?
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
                template: template, body: body, routing: address.tellsUnroutable ? .told : .ignored, isReply: true,
                mayBeTooLarge: true,
                settled: {
                    Failpoint.terminalConfirmed.hit()
                    receipt(true, $0)
                })
        }
        let now = host.wallClock()
        var webhookID: String?
        if let target = job.webhook.flatMap({ try? WebhookTarget(parsing: $0) }) {
            let options = host.settings.webhookPolicy.options(of: target)
            let task = WebhookTask(
                customer: job.customer, job: job.id, target: target, type: outcome.eventType, data: body,
                attempt: attempt, time: now, trace: job.trace, options: options)
            let message = task.flatMap { task in
                try? Messages.webhook(
                    task, queue: host.names.webhookQueue(options.ordering), user: host.user, mayBeTooLarge: true,
                    settled: {
                        Failpoint.webhookQueued.hit()
                        receipt(false, $0)
                    })
            }
            if let message {
                terminal.companions.append(message)
                webhookID = task?.id
            }
        }
        let usage = event.usageEvent(
            eventLog, host, time: now, failure: failure, webhookID: webhookID,
            settled: {
                Failpoint.usageConfirmed.hit()
                receipt(false, $0)
            })
        if let usage { terminal.companions.append(usage) }
        if let deadTries, let failure,
            let dead = try? Messages.dead(
                delivery, customer: job.customer, failure: failure, tries: deadTries, host: host,
                settled: {
                    Failpoint.deadLettered.hit()
                    receipt(false, $0)
                })
        {
            terminal.companions.append(dead)
        }
        if outcome.isCancellation,
            let message = host.control.cancelledMessage(job.key, settled: { receipt(false, $0) })
        {
            terminal.companions.append(message)
        }
        return terminal
    }

    private var failure: JobFailure? {
        if case .failed(let failure) = outcome { failure } else { nil }
    }

    private func reply(_ log: borrowing AnswerLog) -> ([UInt8], ReplyAddress.Kind) {
        switch outcome {
        case .completed: (writer.completion(log), .completion)
        case .failed(let failure): (writer.error(failure, log), .error)
        }
    }
}
