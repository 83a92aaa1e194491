import CRabbitMQ
import Glibc

/// What librabbitmq says, as typed errors. Passwords never get here: librabbitmq's texts do not hold them.
extension AMQPError {
    /// A library call failed on an open connection.
    static func library(_ status: Int32, _ what: String, address: AMQPConfiguration.Address) -> AMQPError {
        let text = String(cString: amqp_error_string2(status))
        let place = address.text
        return switch status {
        case AMQP_STATUS_TIMEOUT.rawValue:
            AMQPError(.timeout, "\(place) did not answer in time (\(what))")
        case AMQP_STATUS_HEARTBEAT_TIMEOUT.rawValue:
            AMQPError(.connectionLost, "nothing was heard from \(place) for two heartbeats (\(what))")
        case AMQP_STATUS_BAD_AMQP_DATA.rawValue, AMQP_STATUS_UNKNOWN_CLASS.rawValue,
            AMQP_STATUS_UNKNOWN_METHOD.rawValue, AMQP_STATUS_WRONG_METHOD.rawValue,
            AMQP_STATUS_INCOMPATIBLE_AMQP_VERSION.rawValue, AMQP_STATUS_TABLE_TOO_BIG.rawValue,
            AMQP_STATUS_UNEXPECTED_STATE.rawValue:
            AMQPError(.protocolViolation, "\(place): \(text) (\(what))")
        default:
            AMQPError(.connectionLost, "the connection to \(place) failed: \(text) (\(what))")
        }
    }

    /// No socket, or no TLS on it.
    static func connect(
        _ status: Int32, errno: Int32, configuration: AMQPConfiguration, address: AMQPConfiguration.Address
    ) -> AMQPError {
        let place = address.text
        switch status {
        case AMQP_STATUS_SSL_PEER_VERIFY_FAILED.rawValue:
            let file = configuration.tls?.certificateAuthorityFile ?? ""
            return AMQPError(
                .tls, "the certificate of \(place) is not trusted: expired, or its issuer is not in \(file)")
        case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED.rawValue:
            return AMQPError(
                .tls,
                "the certificate of \(place) is for another host name"
                    + (address.isNumeric ? " (librabbitmq matches DNS names only: connect by name)" : ""))
        case AMQP_STATUS_SSL_ERROR.rawValue, AMQP_STATUS_SSL_CONNECTION_FAILED.rawValue:
            return AMQPError(
                .tls,
                "\(place) did not complete the TLS handshake: no TLS there (amqps:// is for the broker's TLS port, usually "
                    + "5671), or none at 1.2 or later")
        case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED.rawValue:
            return AMQPError(
                .unreachable,
                "the host name \(address.host) cannot be resolved; look at its spelling, and at DNS and /etc/hosts here"
            )
        case AMQP_STATUS_TIMEOUT.rawValue:
            return AMQPError(
                .unreachable,
                "\(place) did not accept a connection within \(configuration.timeout); \(ConnectProblem.silent.advice)")
        default:
            // librabbitmq connects without blocking and keeps the reason to itself: errno is EINPROGRESS then.
            let isTold = errno != 0 && errno != EINPROGRESS
            let problem = isTold ? ConnectProblem(errno) : ConnectProblem(of: address, within: configuration.timeout)
            return AMQPError(.unreachable, "\(place) cannot be reached: \(problem.text); \(problem.advice)")
        }
    }

    /// The broker or the library refused the login.
    static func login(
        _ reply: amqp_rpc_reply_t, configuration: AMQPConfiguration, address: AMQPConfiguration.Address
    ) -> AMQPError {
        let place = address.text
        if reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION, let close = CloseReason(reply.reply) {
            switch close.code {
            case Int(AMQP_ACCESS_REFUSED):
                return AMQPError(
                    .accessRefused,
                    "\(place) refused user '\(configuration.username)' for virtual host "
                        + "'\(configuration.virtualHost)': \(close.text)\(passwordHint(configuration))",
                    replyCode: close.code)
            case Int(AMQP_NOT_ALLOWED):
                return AMQPError(
                    .accessRefused,
                    "user '\(configuration.username)' may not use virtual host '\(configuration.virtualHost)' of "
                        + "\(place): \(close.text)", replyCode: close.code)
            default:
                return AMQPError(.connectionClosed, "\(place): \(close.text)", replyCode: close.code)
            }
        }
        if reply.library_error == AMQP_STATUS_TIMEOUT.rawValue {
            return AMQPError(
                .timeout,
                "\(place) accepted the connection, but did not answer the AMQP login in time; \(portHint(configuration))"
            )
        }
        if reply.library_error == AMQP_STATUS_BROKER_UNSUPPORTED_SASL_METHOD.rawValue {
            return AMQPError(.accessRefused, "\(place) does not offer the login method PLAIN")
        }
        var error = library(reply.library_error, "login", address: address)
        error.message += "; \(portHint(configuration))"
        return error
    }

    /// Something answered at a port, but not as the broker does.
    private static func portHint(_ configuration: AMQPConfiguration) -> String {
        configuration.tls == nil
            ? "is that the broker's port for AMQP without TLS (usually 5672)? A TLS port needs amqps://"
            : "is that the broker's port for AMQP with TLS (usually 5671)?"
    }

    /// Where the password that was refused came from.
    private static func passwordHint(_ configuration: AMQPConfiguration) -> String {
        configuration.passwordSource.map {
            "; look at the user's name, and at the password in \($0.place): it is read again at each connect"
        } ?? ""
    }

    /// A synchronous method was not answered with its "ok".
    static func reply(
        _ reply: amqp_rpc_reply_t, _ what: String, address: AMQPConfiguration.Address
    ) -> AMQPError {
        guard reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION else {
            return library(reply.library_error, what, address: address)
        }
        guard let close = CloseReason(reply.reply) else {
            return AMQPError(.protocolViolation, "\(address.text) gave an answer that does not fit (\(what))")
        }
        return AMQPError(
            close.isChannel ? .channelClosed : .connectionClosed, "\(close.text) (\(what))", replyCode: close.code)
    }
}

/// Reply code and text of a `channel.close` or `connection.close`.
private struct CloseReason {
    var isChannel: Bool
    var code: Int
    var text: String

    init?(_ method: amqp_method_t) {
        guard let decoded = method.decoded else { return nil }
        switch method.id {
        case MethodID.channelClose:
            let close = decoded.load(as: amqp_channel_close_t.self)
            (isChannel, code, text) = (true, Int(close.reply_code), close.reply_text.string)
        case MethodID.connectionClose:
            let close = decoded.load(as: amqp_connection_close_t.self)
            (isChannel, code, text) = (false, Int(close.reply_code), close.reply_text.string)
        default: return nil
        }
    }
}

extension AMQPConfiguration.Address {
    /// `host:port`, for messages.
    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// An IP literal rather than a name.
    var isNumeric: Bool {
        var four = in_addr()
        var six = in6_addr()
        return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
    }
}
