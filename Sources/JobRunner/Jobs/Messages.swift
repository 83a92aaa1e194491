internal import AMQP
internal import ChatModel
internal import Webhooks

/// Makes the durable messages that end a job, other than its reply.
enum Messages {
    /// A message to one of the worker's own queues, through the default exchange.
    ///
    /// - Throws: where the properties do not fit in one frame.
    static func toQueue(
        _ queue: String, _ properties: MessageProperties, body: [UInt8], generation: UInt64? = nil,
        mayBeTooLarge: Bool = false, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) throws(AMQPError) -> DurableMessage {
        DurableMessage(
            template: try PublishTemplate(exchange: "", routingKey: queue, properties: properties), body: body,
            routing: .required, generation: generation, mayBeTooLarge: mayBeTooLarge, settled: settled)
    }

    /// A delivery's message to another of the worker's queues, body untouched; published only while the delivery is surely
    /// this worker's. What of a backend's own headers and properties leaves no room for the worker's, or is too long once it
    /// is UTF-8, is left behind.
    static func republished(
        _ delivery: Delivery, to queue: String, customer: String?, host: JobHost, adding notes: FieldTable,
        settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) throws(AMQPError) -> DurableMessage {
        let isWebhook = host.names.holdsWebhooks(delivery.queue)
        var properties = Republication.properties(
            of: delivery, customer: customer, workerUser: host.user,
            keeping: isWebhook ? Republication.webhookHeaders : Republication.jobHeaders, adding: notes)
        do throws(AMQPError) {
            return try toQueue(
                queue, properties, body: delivery.body, generation: delivery.tag.generation, settled: settled)
        } catch {
            Republication.shorten(&properties, keeping: notes)
            return try toQueue(
                queue, properties, body: delivery.body, generation: delivery.tag.generation, settled: settled)
        }
    }

    static func event(
        exchange: String, routingKey: String, messageID: String, type: String, headers: FieldTable = [:], user: String,
        body: [UInt8],
        settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) throws(AMQPError) -> DurableMessage {
        let properties = MessageProperties(
            contentType: "application/json", headers: headers, isPersistent: true, messageID: messageID, type: type,
            userID: user)
        return DurableMessage(
            template: try PublishTemplate(exchange: exchange, routingKey: routingKey, properties: properties),
            body: body, routing: .ignored, settled: settled)
    }

    static func webhook(
        _ task: WebhookTask, queue: String, user: String, generation: UInt64? = nil, mayBeTooLarge: Bool = false,
        settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) throws(AMQPError) -> DurableMessage {
        try toQueue(
            queue, properties(of: task, user: user), body: task.body, generation: generation,
            mayBeTooLarge: mayBeTooLarge, settled: settled)
    }

    static func properties(of task: WebhookTask, user: String) -> MessageProperties {
        var headers = FieldTable()
        for (key, value) in task.headers {
            switch value {
            case .string(let text): headers[key] = .string(text)
            case .int(let number): headers[key] = .int(number)
            }
        }
        return MessageProperties(
            contentType: "application/json", headers: headers, isPersistent: true,
            messageID: "\(task.id)/\(task.attempt)/\(task.tries)", type: task.eventType.rawValue, userID: user)
    }

    /// The dead letter of a message that the broker takes on no other queue, all of it as it was. When it is confirmed the
    /// message counts as confirmed; where it is not published, as not published. `nil` where it would be the same again.
    static func dead(
        _ message: DurableMessage, _ fault: Undeliverable, queue: String, user: String, now: Timestamp
    ) -> DurableMessage? {
        guard !fault.isTooLarge, let content = message.template.content, content.routingKey != queue else { return nil }
        var properties = content.properties
        properties.userID = user
        properties.isPersistent = true
        properties.headers[Republication.Header.reason] = .string("\(DeadLetter.undeliverable): \(fault)")
        properties.headers[Republication.Header.stage] = .string(JobFailure.Stage.completing.rawValue)
        properties.headers[Republication.Header.deadAt] = .string(now.rfc3339)
        properties.headers[Republication.Header.originQueue] = .string(
            content.exchange.isEmpty ? content.routingKey : content.exchange)
        return try? toQueue(
            queue, properties, body: message.body, generation: message.generation, settled: message.settled)
    }

    /// The dead letter of a delivery: body untouched, the reason in headers.
    static func dead(
        _ delivery: Delivery, customer: String?, failure: JobFailure, tries: Int, host: JobHost,
        adding: FieldTable = [:], settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) throws(AMQPError) -> DurableMessage {
        var notes: FieldTable = [
            Republication.Header.reason: .string("\(failure.code): \(failure.message)"),
            Republication.Header.stage: .string(failure.stage.rawValue),
            Republication.Header.tries: .int(Int64(tries)),
            Republication.Header.deadAt: .string(host.wallClock().rfc3339),
            Republication.Header.originQueue: .string(delivery.queue),
        ]
        for (key, value) in adding { notes[key] = value }
        if let field = failure.param { notes[Republication.Header.reasonField] = .string(field) }
        return try republished(
            delivery, to: host.names.dead, customer: customer, host: host, adding: notes, settled: settled)
    }
}
