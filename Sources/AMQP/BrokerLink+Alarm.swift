import CRabbitMQ

/// Asking whether the broker has an alarm (memory, disk). It tells a connection so only once that connection publishes:
/// an idle worker would not know that it cannot. So it publishes into a transaction, which it takes back: no queue, no counter
/// and no alert of the broker ever sees that message, and the broker's answer, `connection.blocked` or nothing but
/// `tx.rollback-ok`, is what was asked for (seen on 3.10.8: the method frame of `basic.publish` is what makes it look).
extension BrokerLink {
    /// For those questions alone: a channel in transaction mode has no confirms.
    static let alarmChannel: UInt16 = 3

    func openAlarmChannel() throws(AMQPError) {
        try openChannel(Self.alarmChannel)
        _ = amqp_tx_select(state, Self.alarmChannel)
        try checkReply("tx.select", on: Self.alarmChannel)
    }

    /// Only sends; nothing may wait in `output`, which would be cut in two.
    func askForAlarm() throws(AMQPError) {
        let nothing = amqp_bytes_t()
        try check(
            amqp_basic_publish(state, Self.alarmChannel, nothing, nothing, 0, 0, nil, nothing), "basic.publish")
        var rollback = amqp_tx_rollback_t()
        try check(amqp_send_method(state, Self.alarmChannel, MethodID.txRollback, &rollback), "tx.rollback")
    }
}
