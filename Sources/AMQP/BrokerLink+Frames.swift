import CRabbitMQ
import Glibc

extension BrokerLink {
    /// Something is read already, in librabbitmq's queue or its buffer: `poll` would not tell.
    var hasBufferedInput: Bool { amqp_frames_enqueued(state) != 0 || amqp_data_in_buffer(state) != 0 }

    /// The next frame that has come, or `nil`; never waits. Also sends and checks heartbeats, so it must be called at
    /// least once a second. The frame's bytes live until `releaseBuffers()`.
    func nextFrame() throws(AMQPError) -> IncomingFrame? {
        while true {
            var frame = amqp_frame_t()
            var zero = timeval(tv_sec: 0, tv_usec: 0)
            let status = amqp_simple_wait_frame_noblock(state, &frame, &zero)
            if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
            try check(status, "reading")
            if let incoming = try decode(frame) { return incoming }
        }
    }

    /// As agreed with the broker, in nanoseconds.
    var heartbeat: UInt64 { UInt64(clamping: max(1, amqp_get_heartbeat(state))) &* 1_000_000_000 }

    /// Says that this side lives.
    func sendHeartbeat() throws(AMQPError) {
        var frame = amqp_frame_t()
        frame.frame_type = UInt8(AMQP_FRAME_HEARTBEAT)
        try check(amqp_send_frame(state, &frame), "sending a heartbeat")
    }

    /// Asks the channel for what it does anyway, to send (AMQP 0-9-1, 1.7.2.3): it answers with an event, and so proves that
    /// it has heard this side.
    func askForFlow() throws(AMQPError) {
        var method = amqp_channel_flow_t(active: 1)
        try check(amqp_send_method(state, Self.channel, MethodID.channelFlow, &method), "channel.flow")
    }

    /// Frees what librabbitmq allocated for frames that were handled; without it memory grows.
    func releaseBuffers() { amqp_maybe_release_buffers(state) }

    private func decode(_ frame: amqp_frame_t) throws(AMQPError) -> IncomingFrame? {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_METHOD:
            return .method(channel: frame.channel, decode(frame.payload.method))
        case AMQP_FRAME_HEADER:
            let header = frame.payload.properties
            guard header.class_id == UInt16(AMQP_BASIC_CLASS), let decoded = header.decoded else {
                throw AMQPError(.protocolViolation, "the broker sent a content header of class \(header.class_id)")
            }
            return .header(
                channel: frame.channel, classID: header.class_id, bodySize: header.body_size,
                properties: MessageProperties(decoded.load(as: amqp_basic_properties_t.self)))
        case AMQP_FRAME_BODY:
            return .body(channel: frame.channel, frame.payload.body_fragment.buffer)
        default:
            return nil
        }
    }

    private func decode(_ method: amqp_method_t) -> IncomingMethod {
        guard let decoded = method.decoded else { return .other(method.id) }
        switch method.id {
        case MethodID.basicAck:
            let ack = decoded.load(as: amqp_basic_ack_t.self)
            return .acknowledge(tag: ack.delivery_tag, multiple: ack.multiple != 0)
        case MethodID.basicNack:
            let nack = decoded.load(as: amqp_basic_nack_t.self)
            return .refuse(tag: nack.delivery_tag, multiple: nack.multiple != 0)
        case MethodID.basicDeliver:
            let deliver = decoded.load(as: amqp_basic_deliver_t.self)
            return .deliver(
                consumerTag: deliver.consumer_tag.string, deliveryTag: deliver.delivery_tag,
                redelivered: deliver.redelivered != 0, exchange: deliver.exchange.string,
                routingKey: deliver.routing_key.string)
        case MethodID.basicGetOk:
            let got = decoded.load(as: amqp_basic_get_ok_t.self)
            return .getOk(
                deliveryTag: got.delivery_tag, redelivered: got.redelivered != 0, exchange: got.exchange.string,
                routingKey: got.routing_key.string)
        case MethodID.basicGetEmpty:
            return .getEmpty
        case MethodID.basicReturn:
            let returned = decoded.load(as: amqp_basic_return_t.self)
            return .returned(
                replyCode: Int(returned.reply_code), replyText: returned.reply_text.string,
                exchange: returned.exchange.string, routingKey: returned.routing_key.string)
        case MethodID.basicCancel:
            return .cancel(consumerTag: decoded.load(as: amqp_basic_cancel_t.self).consumer_tag.string)
        case MethodID.basicCancelOk:
            return .cancelOk(consumerTag: decoded.load(as: amqp_basic_cancel_ok_t.self).consumer_tag.string)
        case MethodID.channelFlowOk:
            return .flowOk
        case MethodID.channelClose:
            let close = decoded.load(as: amqp_channel_close_t.self)
            return .channelClose(replyCode: Int(close.reply_code), replyText: close.reply_text.string)
        case MethodID.connectionClose:
            let close = decoded.load(as: amqp_connection_close_t.self)
            return .connectionClose(replyCode: Int(close.reply_code), replyText: close.reply_text.string)
        case MethodID.connectionBlocked:
            return .blocked(reason: decoded.load(as: amqp_connection_blocked_t.self).reason.string)
        case MethodID.connectionUnblocked:
            return .unblocked
        default:
            return .other(method.id)
        }
    }
}
