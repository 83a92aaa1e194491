internal import NIOSSL

/// The CAs that webhooks' endpoints are checked against, read once: each client has a TLS context of its own, and the
/// system's store in each of them would cost a megabyte and some milliseconds.
enum TrustedCertificates {
    private static let systemBundles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]

    /// - Parameter file: PEM; `nil` for the system's.
    /// - Throws: `NIOSSLError` where the file cannot be read or holds no certificate.
    static func load(file: String?) throws -> NIOSSLTrustRoots {
        if let file {
            let certificates = try NIOSSLCertificate.fromPEMFile(file)
            guard !certificates.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return .certificates(certificates)
        }
        return Self.system
    }

    private static let system: NIOSSLTrustRoots = {
        for path in Self.systemBundles {
            if let certificates = try? NIOSSLCertificate.fromPEMFile(path), !certificates.isEmpty {
                return .certificates(certificates)
            }
        }
        return .default
    }()
}
