import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PeerChecks

extension GatewayFailure {
    /// What a failed connect, handshake or first answer means.
    init(setUp error: any Error, stage: Stage) {
        self =
            switch error {
            case let failure as ProxyFailure: GatewayFailure(failure)
            case ChannelError.connectTimeout: .timedOut(.connect)
            case NIOSSLError.uncleanShutdown, NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])):
                .unreachable(stage, "The gateway closed the connection during its set-up.")
            case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError, is ServerIdentity.NameMismatch:
                .tls(error)
            case is HTTPParserError:
                .protocolError(stage, "The gateway answered with something that is not HTTP/1.1.")
            case is NIOConnectionError, is IOError, is SocketAddressError:
                .unreachable(stage, "The gateway could not be reached.")
            default: .unreachable(stage, "The connection to the gateway failed.")
            }
    }
}
