import CRabbitMQ

/// The methods that this side sends. Those that are answered wait for it at most the configured timeout; frames that
/// arrive meanwhile are kept by librabbitmq and come out of `nextFrame` afterwards.
extension BrokerLink {
    // MARK: Topology

    /// In an order that lets dead-letter exchanges and bindings find what they name. Returns the names of queues that are
    /// there with their former arguments; where there is one, the channel was opened anew.
    func declare(_ topology: Topology) throws(AMQPError) -> [String] {
        var former: [String] = []
        for exchange in topology.exchanges {
            try declareExchange(exchange.name, kind: exchange.kind.rawValue, passive: false)
        }
        for queue in topology.queues {
            do throws(AMQPError) {
                try declare(queue, arguments: queue.arguments)
            } catch {
                guard error.replyCode == 406, let arguments = queue.formerArguments else { throw error }
                try openChannel()
                do throws(AMQPError) {
                    try declare(queue, arguments: arguments)
                } catch let second {
                    // What helps is the broker's word about what the worker wants now.
                    throw second.replyCode == 406 ? error : second
                }
                former.append(queue.name)
            }
        }
        for binding in topology.bindings { try bind(binding) }
        return former
    }

    private func declare(_ queue: Topology.Queue, arguments: FieldTable) throws(AMQPError) {
        _ = try declareQueue(
            queue.name, passive: false, durable: true, exclusive: false, autoDelete: false, arguments: arguments)
    }

    func declareExchange(_ name: String, kind: String, passive: Bool) throws(AMQPError) {
        let arena = CArena()
        _ = amqp_exchange_declare(
            state, Self.channel, try arena.shortString(name, "exchange name"), try arena.shortString(kind, "kind"),
            passive ? 1 : 0, 1, 0, 0, amqp_table_t())
        try checkReply("declare exchange '\(name)'")
    }

    func declareQueue(
        _ name: String, passive: Bool, durable: Bool, exclusive: Bool, autoDelete: Bool, arguments: FieldTable
    ) throws(AMQPError) -> AMQPSession.QueueStatus {
        let arena = CArena()
        let answer = amqp_queue_declare(
            state, Self.channel, try arena.shortString(name, "queue name"), passive ? 1 : 0, durable ? 1 : 0,
            exclusive ? 1 : 0, autoDelete ? 1 : 0, try arena.table(arguments))
        try checkReply("declare queue '\(name)'")
        guard let answer else { throw AMQPError(.protocolViolation, "no answer to the declaration of '\(name)'") }
        return AMQPSession.QueueStatus(
            name: answer.pointee.queue.string, messageCount: Int(answer.pointee.message_count),
            consumerCount: Int(answer.pointee.consumer_count))
    }

    func bind(_ binding: Topology.Binding) throws(AMQPError) {
        let arena = CArena()
        _ = amqp_queue_bind(
            state, Self.channel, try arena.shortString(binding.queue, "queue name"),
            try arena.shortString(binding.exchange, "exchange name"),
            try arena.shortString(binding.routingKey, "routing key"), amqp_table_t())
        try checkReply("bind queue '\(binding.queue)' to exchange '\(binding.exchange)'")
    }

    func deleteQueue(_ name: String) throws(AMQPError) -> Int {
        let arena = CArena()
        let answer = amqp_queue_delete(state, Self.channel, try arena.shortString(name, "queue name"), 0, 0)
        try checkReply("delete queue '\(name)'")
        return Int(answer?.pointee.message_count ?? 0)
    }

    func purgeQueue(_ name: String) throws(AMQPError) -> Int {
        let arena = CArena()
        let answer = amqp_queue_purge(state, Self.channel, try arena.shortString(name, "queue name"))
        try checkReply("purge queue '\(name)'")
        return Int(answer?.pointee.message_count ?? 0)
    }

    func deleteExchange(_ name: String) throws(AMQPError) {
        let arena = CArena()
        _ = amqp_exchange_delete(state, Self.channel, try arena.shortString(name, "exchange name"), 0)
        try checkReply("delete exchange '\(name)'")
    }

    // MARK: Consuming

    /// For the consumers that are started after it, each (RabbitMQ's reading of `global` = false).
    func setPrefetch(_ count: UInt16, on channel: UInt16 = channel) throws(AMQPError) {
        _ = amqp_basic_qos(state, channel, 0, count, 0)
        try checkReply("set the prefetch", on: channel)
    }

    func consume(
        _ queue: String, tag: String, noAck: Bool = false, exclusive: Bool = false, arguments: FieldTable,
        on channel: UInt16 = channel
    ) throws(AMQPError) {
        let arena = CArena()
        _ = amqp_basic_consume(
            state, channel, try arena.shortString(queue, "queue name"),
            try arena.shortString(tag, "consumer tag"), 0, noAck ? 1 : 0, exclusive ? 1 : 0,
            try arena.table(arguments))
        try checkReply("consume queue '\(queue)'", on: channel)
    }

    func cancel(tag: String) throws(AMQPError) {
        let arena = CArena()
        _ = amqp_basic_cancel(state, Self.channel, try arena.shortString(tag, "consumer tag"))
        try checkReply("cancel consumer '\(tag)'")
    }

    /// Only sends; the answer is an event.
    func sendCancel(tag: String) throws(AMQPError) {
        let arena = CArena()
        var method = amqp_basic_cancel_t(consumer_tag: try arena.shortString(tag, "consumer tag"), nowait: 0)
        try check(amqp_send_method(state, Self.channel, MethodID.basicCancel, &method), "basic.cancel")
    }

    /// Only sends; the answer is an event.
    func sendGet(_ queue: String, noAck: Bool) throws(AMQPError) {
        let arena = CArena()
        var method = amqp_basic_get_t(
            ticket: 0, queue: try arena.shortString(queue, "queue name"), no_ack: noAck ? 1 : 0)
        try check(amqp_send_method(state, Self.channel, MethodID.basicGet, &method), "basic.get")
    }

    func acknowledge(_ tag: UInt64, multiple: Bool, on channel: UInt16 = channel) throws(AMQPError) {
        try check(amqp_basic_ack(state, channel, tag, multiple ? 1 : 0), "basic.ack")
    }

    func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        try check(amqp_basic_reject(state, Self.channel, tag, requeue ? 1 : 0), "basic.reject")
    }

    /// Puts back all that was delivered on this channel and not acked (tag 0 and `multiple`: AMQP 0-9-1, basic.nack).
    func returnAll() throws(AMQPError) {
        try check(amqp_basic_nack(state, Self.channel, 0, 1, 1), "basic.nack")
    }

    func selectConfirms() throws(AMQPError) {
        _ = amqp_confirm_select(state, Self.channel)
        try checkReply("confirm.select")
    }

}
