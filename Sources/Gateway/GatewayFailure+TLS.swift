import NIOSSL
import PeerChecks

/// What a failed handshake means. None is retryable: a certificate that is wrong now is wrong in a second, too.
extension GatewayFailure {
    static func tls(_ error: any Error) -> GatewayFailure {
        switch error {
        case NIOSSLError.handshakeFailed(.sslError(let stack)):
            // BoringSSL's reasons are known by their names alone.
            let reasons = stack.map(\.description).joined()
            if reasons.contains("PROTOCOL_VERSION") || reasons.contains("UNSUPPORTED_PROTOCOL") {
                return tls("version", "The gateway speaks no TLS of version 1.2 or later.")
            }
            guard reasons.contains("CERTIFICATE_VERIFY_FAILED") else {
                return tls("failed", "The TLS handshake with the gateway failed.")
            }
            return tls("untrusted", "The gateway's certificate is of no CA that is trusted here.")
        case is NIOSSLExtraError, NIOSSLError.unableToValidateCertificate, is ServerIdentity.NameMismatch:
            return tls("wrong_name", "The gateway's certificate is for another host.")
        default: return tls("failed", "The TLS handshake with the gateway failed.")
        }
    }

    static let expiredCertificate = tls("expired", "The gateway's certificate has expired.")

    /// It may have expired as well (`GatewayLoop.explain`).
    var isUntrusted: Bool { code == "gateway_tls_untrusted" }

    private static func tls(_ kind: String, _ sentence: String) -> GatewayFailure {
        GatewayFailure(stage: .connect, code: "gateway_tls_\(kind)", message: sentence, isRetryable: false)
    }

    /// No safe connection came about: it is not the gateway, or cannot show that it is.
    package var isTLSFailure: Bool { code.hasPrefix("gateway_tls_") }
}
