import FoundationEssentials
import Gateway

extension WorkerConfiguration.Gateway {
    /// `nil`: there is none, or half of one.
    var clientCertificate: GatewayClientCertificate? {
        guard let certificate = clientCertificateFile, let key = clientKeyFile else { return nil }
        return GatewayClientCertificate(certificateFile: certificate, keyFile: key)
    }

    var usesTLS: Bool { url.scheme == "wss" || url.scheme == "https" }
}

/// Certificates that this worker shows to gateways.
extension WorkerConfiguration {
    /// What has to hold of them. Pure: the file alone decides.
    func clientCertificateMistakes() -> [ConfigurationMistake] {
        gateways.inOrder.compactMap { name, gateway in
            let path = ["gateways", name]
            switch (gateway.clientCertificateFile, gateway.clientKeyFile) {
            case (nil, nil): return nil
            case (.some, nil): return mistake(at: path + ["client_certificate_file"], "needs client_key_file beside it")
            case (nil, .some): return mistake(at: path + ["client_key_file"], "needs client_certificate_file beside it")
            case (.some, .some) where !gateway.usesTLS:
                return mistake(
                    .warning, at: path + ["client_certificate_file"],
                    "is not used with \(gateway.url.scheme)://; write \(gateway.hasHTTPAddress ? "https" : "wss"):// for TLS"
                )
            case (.some, .some): return nil
            }
        }
    }

    /// So long before its end a certificate is told of.
    private static let notice = 14 * 86_400

    /// What the files hold.
    ///
    /// - Parameter now: seconds since 1970.
    func gatewayCertificateMistakes(now: Int = Int(Date().timeIntervalSince1970)) -> [ConfigurationMistake] {
        gateways.inOrder.compactMap { name, gateway in
            guard let certificate = gateway.clientCertificate else { return nil }
            let path = ["gateways", name]
            let end: Int
            do throws(GatewayClientCertificate.Problem) {
                end = try certificate.check()
            } catch {
                return switch error {
                case .certificate: mistake(at: path + ["client_certificate_file"], "holds no certificate in PEM format")
                case .key:
                    mistake(
                        at: path + ["client_key_file"], "holds no key in PEM format, or one that needs a passphrase")
                case .mismatch:
                    mistake(
                        at: path + ["client_key_file"], "is not the key of the certificate in client_certificate_file")
                }
            }
            guard end < now + Self.notice else { return nil }
            return mistake(
                .warning, at: path + ["client_certificate_file"],
                end < now
                    ? "has expired: a gateway that asks for it refuses every connection; renew it"
                    : "expires in \((end - now) / 86_400) days; renew it, then restart the worker")
        }
    }
}
