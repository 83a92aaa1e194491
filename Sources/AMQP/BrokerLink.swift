import CRabbitMQ
import Glibc

/// One open connection to a broker: librabbitmq's state, wrapped so that its types go no further. Used by the one thread
/// that opened it.
final class BrokerLink {
    /// Where everything happens that names no other.
    static let channel: UInt16 = 1
    /// Where a consumer reads streams. Their messages are acknowledged in the order in which they come, so on a channel
    /// without jobs, which end in any order, one ack stands for many.
    static let streamChannel: UInt16 = 2
    /// RabbitMQ's own default. Less would not hold the largest headers that `PublishTemplate` allows.
    static let frameMax: Int32 = 131_072
    private static let leastFrameMax: Int32 = 70_000

    let state: amqp_connection_state_t
    let address: AMQPConfiguration.Address
    let fileDescriptor: Int32
    private let configuration: AMQPConfiguration
    private let ticket: Watchdog.Ticket?
    /// The socket or the protocol state is broken: nothing may be sent any more.
    private var isBroken = false
    private var isChannelOpen = false
    /// Messages that are published and not yet handed to the kernel.
    var output = FrameBuffer()
    /// Whether `flush` may wait for the kernel.
    var mayWait = true
    /// Publishes where the socket speaks TLS.
    let library: LibraryPublisher?

    private init(
        state: amqp_connection_state_t, address: AMQPConfiguration.Address, configuration: AMQPConfiguration
    ) {
        self.state = state
        self.address = address
        self.configuration = configuration
        library = configuration.tls == nil ? nil : LibraryPublisher()
        fileDescriptor = amqp_get_sockfd(state)
        // Half a second less than the promise of two heartbeats and a second: the watchdog looks four times a second.
        ticket = Watchdog.shared.watch(
            fileDescriptor: fileDescriptor, limit: configuration.heartbeat * 2 + .milliseconds(500))
    }

    deinit {
        if let ticket { Watchdog.shared.forget(ticket) }
        amqp_destroy_connection(state)
    }

    // MARK: Opening and closing

    /// Connects, logs in and opens the channel.
    static func open(
        configuration: AMQPConfiguration, address: AMQPConfiguration.Address, role: String
    ) throws(AMQPError) -> BrokerLink {
        let password = try configuration.currentPassword()
        guard let state = amqp_new_connection() else { throw AMQPError(.configuration, "out of memory") }
        do throws(AMQPError) {
            try connectSocket(state, configuration: configuration, address: address)
        } catch {
            amqp_destroy_connection(state)
            throw error
        }
        // From here on, leaving by an error destroys the state with the link.
        let link = BrokerLink(state: state, address: address, configuration: configuration)
        try link.watched { () throws(AMQPError) in
            link.setSocketOptions()
            try link.login(role: role, password: password)
            try link.openChannel()
        }
        return link
    }

    /// Tries every address once, in order.
    static func openAny(configuration: AMQPConfiguration, role: String) throws(AMQPError) -> BrokerLink {
        var failure = AMQPError(.configuration, "no broker address is configured")
        for address in configuration.addresses {
            do throws(AMQPError) {
                return try open(configuration: configuration, address: address, role: role)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Closes channel (which makes the broker process all acks that it was sent) and connection; waits for the answers
    /// at most the configured timeout.
    func close() {
        guard !isBroken else { return }
        enterWaiting()
        defer { leave() }
        isBroken = true
        if isChannelOpen {
            let reply = amqp_channel_close(state, Self.channel, AMQP_REPLY_SUCCESS)
            guard reply.reply_type == AMQP_RESPONSE_NORMAL else { return }
        }
        enterWaiting()
        _ = amqp_connection_close(state, AMQP_REPLY_SUCCESS)
    }

    func openChannel(_ channel: UInt16 = channel) throws(AMQPError) {
        _ = amqp_channel_open(state, channel)
        try checkReply("open a channel", on: channel)
        if channel == Self.channel { isChannelOpen = true }
    }

    private func setSocketOptions() {
        setOption(Int32(TCP_NODELAY), 1)
        setUserTimeout(isOn: true)
    }

    /// Unacknowledged bytes for two heartbeats break the connection. To be off while the broker blocks publishers: it
    /// then keeps the window shut on purpose, and the kernel would count that as silence.
    func setUserTimeout(isOn: Bool) {
        let milliseconds = (configuration.heartbeat * 2).clampedNanoseconds / 1_000_000
        setOption(Int32(TCP_USER_TIMEOUT), isOn ? Int32(clamping: milliseconds) : 0)
    }

    /// Holds small packets back until it is switched off.
    func setCork(_ isOn: Bool) { setOption(Int32(TCP_CORK), isOn ? 1 : 0) }

    private func setOption(_ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(fileDescriptor, Int32(IPPROTO_TCP), name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Bytes of the socket's send buffer, as the kernel counts them.
    var sendBufferSize: Int {
        var size: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = getsockopt(fileDescriptor, SOL_SOCKET, SO_SNDBUF, &size, &length)
        return result == 0 ? Int(size) : 0
    }

    /// As the broker says it; `nil` where it does not.
    var brokerVersion: BrokerVersion? {
        amqp_get_server_properties(state).flatMap { FieldTable($0.pointee).string("version") }.flatMap {
            BrokerVersion($0)
        }
    }

    private func login(role: String, password: String) throws(AMQPError) {
        let arena = CArena()
        let capabilities: FieldTable = [
            "authentication_failure_close": .bool(true), "basic.nack": .bool(true), "connection.blocked": .bool(true),
            "consumer_cancel_notify": .bool(true), "exchange_exchange_bindings": .bool(true),
            "publisher_confirms": .bool(true),
        ]
        var properties = try arena.table([
            "product": .string("chat-worker"), "version": .string(configuration.productVersion),
            "platform": .string("Swift, librabbitmq \(String(cString: amqp_version()))"),
            "connection_name": .string("\(configuration.connectionName) \(role)"),
            "capabilities": .table(capabilities),
        ])
        let heartbeat = Int32(clamping: max(1, configuration.heartbeat.components.seconds))
        let reply = chat_worker_login(
            state, configuration.virtualHost, 0, Self.frameMax, min(heartbeat, 65_535), &properties,
            configuration.username, password)
        if reply.reply_type != AMQP_RESPONSE_NORMAL {
            isBroken = true
            throw AMQPError.login(reply, configuration: configuration, address: address)
        }
        guard amqp_get_frame_max(state) >= Self.leastFrameMax else {
            throw AMQPError(
                .configuration,
                "the broker allows frames of \(amqp_get_frame_max(state)) bytes only: set its frame_max to 131072")
        }
    }

    private static func connectSocket(
        _ state: amqp_connection_state_t, configuration: AMQPConfiguration, address: AMQPConfiguration.Address
    ) throws(AMQPError) {
        var timeout = configuration.timeout.timeval
        amqp_set_handshake_timeout(state, &timeout)
        amqp_set_rpc_timeout(state, &timeout)
        let socket =
            if let tls = configuration.tls { try TLSSocket.make(state, tls) } else { amqp_tcp_socket_new(state) }
        guard let socket else { throw AMQPError(.configuration, "out of memory") }
        let status = amqp_socket_open_noblock(socket, address.host, Int32(clamping: address.port), &timeout)
        if status != AMQP_STATUS_OK.rawValue {
            throw AMQPError.connect(status, errno: errno, configuration: configuration, address: address)
        }
    }

    // MARK: Guarding

    /// The thread is about to call the library, perhaps often; `now` in monotonic nanoseconds.
    func enter(now: UInt64 = Monotonic.now()) { ticket?.enter(now: now) }
    func leave() { ticket?.leave() }

    /// The same before a call that may wait for the broker's answer, which has the configured time.
    private func enterWaiting() { enter(now: Monotonic.now() &+ configuration.timeout.clampedNanoseconds) }

    func watched<Result>(_ body: () throws(AMQPError) -> Result) throws(AMQPError) -> Result {
        enterWaiting()
        defer { leave() }
        return try body()
    }

    // MARK: Errors

    /// Checks the status of a send.
    func check(_ status: Int32, _ what: StaticString) throws(AMQPError) {
        guard status < 0 else { return }
        isBroken = true
        throw AMQPError.library(status, "\(what)", address: address)
    }

    /// Checks what the last synchronous method was answered with.
    func checkReply(_ what: @autoclosure () -> String, on channel: UInt16 = channel) throws(AMQPError) {
        // Answered: the next call has its own time.
        enterWaiting()
        let reply = amqp_get_rpc_reply(state)
        guard reply.reply_type != AMQP_RESPONSE_NORMAL else { return }
        let error = AMQPError.reply(reply, what(), address: address)
        switch error.code {
        // The broker waits for channel.close-ok before the channel number can be used again.
        case .channelClosed: confirmChannelClose(channel)
        case .connectionClosed:
            confirmConnectionClose()
            isBroken = true
        default: isBroken = true
        }
        throw error
    }

    func confirmChannelClose(_ channel: UInt16 = channel) {
        if channel == Self.channel { isChannelOpen = false }
        var method = amqp_channel_close_ok_t()
        _ = amqp_send_method(state, channel, MethodID.channelCloseOk, &method)
    }

    func confirmConnectionClose() {
        var method = amqp_connection_close_ok_t()
        _ = amqp_send_method(state, 0, MethodID.connectionCloseOk, &method)
        isBroken = true
    }

    /// After an event that ends the connection or the channel for the frame loops: `close` sends nothing then.
    func markBroken() { isBroken = true }
}
