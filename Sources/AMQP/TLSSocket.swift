import CRabbitMQ
import Glibc

/// A TLS socket for librabbitmq: TLS 1.2 at least, peer and host name verified. librabbitmq loads no default CAs, so
/// the file is always given; its own error says nothing about files, so they are looked at first.
enum TLSSocket {
    static func make(
        _ state: amqp_connection_state_t, _ tls: AMQPConfiguration.TLS
    ) throws(AMQPError) -> OpaquePointer? {
        try checkReadable(tls.certificateAuthorityFile, "CA file")
        guard let socket = amqp_ssl_socket_new(state) else { return nil }
        guard amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) == AMQP_STATUS_OK.rawValue else {
            throw AMQPError(.tls, "TLS 1.2 cannot be required: librabbitmq was built with too old an OpenSSL")
        }
        amqp_ssl_socket_set_verify_peer(socket, 1)
        amqp_ssl_socket_set_verify_hostname(socket, 1)
        guard amqp_ssl_socket_set_cacert(socket, tls.certificateAuthorityFile) == AMQP_STATUS_OK.rawValue else {
            throw AMQPError(.configuration, "the CA file \(tls.certificateAuthorityFile) holds no PEM certificate")
        }
        switch (tls.clientCertificateFile, tls.clientKeyFile) {
        case (let certificate?, let key?):
            try checkReadable(certificate, "client certificate")
            try checkReadable(key, "client key")
            guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
                throw AMQPError(
                    .configuration,
                    "the client certificate \(certificate) and key \(key) are not PEM, or do not belong together")
            }
        case (nil, nil): break
        default: throw AMQPError(.configuration, "a client certificate and its key must be given together")
        }
        return socket
    }

    private static func checkReadable(_ path: String, _ what: String) throws(AMQPError) {
        if access(path, R_OK) != 0 {
            throw AMQPError(
                .configuration, "the \(what) \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
    }
}
