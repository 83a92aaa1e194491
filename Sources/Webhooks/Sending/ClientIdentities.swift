internal import NIOSSL

/// The client certificates of endpoints, read once.
struct ClientIdentities: Sendable {
    private var configurations: [WebhookOptions.ClientCertificate: TLSConfiguration] = [:]

    init() {}

    /// - Throws: `NIOSSLError` where a file cannot be read, or holds no certificate or key.
    init(_ certificates: Set<WebhookOptions.ClientCertificate>, basedOn base: TLSConfiguration) throws {
        for certificate in certificates {
            var configuration = base
            let chain = try NIOSSLCertificate.fromPEMFile(certificate.certificateFile)
            guard !chain.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(file: certificate.keyFile, format: .pem))
            configurations[certificate] = configuration
        }
    }

    func configuration(_ certificate: WebhookOptions.ClientCertificate) -> TLSConfiguration? {
        configurations[certificate]
    }
}
