package import NIOSSL

/// Who this worker is, in TLS: a certificate with its chain, and its key, as PEM files.
public struct GatewayClientCertificate: Sendable, Equatable {
    public var certificateFile: String
    public var keyFile: String

    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    /// Why the two files are of no use.
    package enum Problem: Error, Equatable {
        /// The file holds no certificate.
        case certificate
        /// The file holds no key, or one with a passphrase.
        case key
        /// They do not belong together.
        case mismatch
    }

    /// Whether they belong together, and until when the first certificate that ends is valid; seconds since 1970.
    package func check() throws(Problem) -> Int {
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.certificateVerification = .none
        let chain = try add(to: &settings)
        guard (try? NIOSSLContext(configuration: settings)) != nil else { throw .mismatch }
        return chain.map { Int($0.notValidAfter) }.min() ?? 0
    }

    /// Puts both into what a TLS context is made of.
    ///
    /// - Returns: the chain, never empty.
    @discardableResult
    package func add(to settings: inout TLSConfiguration) throws(Problem) -> [NIOSSLCertificate] {
        guard let chain = try? NIOSSLCertificate.fromPEMFile(certificateFile), !chain.isEmpty else {
            throw .certificate
        }
        // An encrypted key must not ask for its passphrase on a terminal.
        guard let key = try? NIOSSLPrivateKey(file: keyFile, format: .pem, passphraseCallback: { $0([UInt8]()) }) else {
            throw .key
        }
        settings.certificateChain = chain.map { .certificate($0) }
        settings.privateKey = .privateKey(key)
        return chain
    }
}
