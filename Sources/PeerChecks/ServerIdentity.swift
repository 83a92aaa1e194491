package import NIOCore
package import NIOSSL

/// Whether the other side of a TLS connection is the host that was asked for. Webhooks, gateways and the exporter of spans
/// all ask here, before the first byte of a request.
///
/// NIOSSL takes a certificate for the peer's *address* as good for any name that resolves to it (and a common name where
/// there is nothing else), so that whoever can forge a DNS answer needs only a certificate for an address of their own. So
/// the name is looked for once more, as RFC 9525 asks for it.
package enum ServerIdentity {
    /// The certificate has no `dNSName` that matches.
    package struct NameMismatch: Error {
        package init() {}
    }

    /// Throws `NameMismatch` if the channel speaks TLS and its peer has no certificate for `host`. An address needs no second
    /// look: NIOSSL compares it with the certificate's addresses. On the channel's event loop, once its handshake is complete.
    ///
    /// - Parameter isProxied: the channel leads to a proxy. NIOSSL would compare with that one's address, so it must have been told
    ///   not to (`noHostnameVerification`), and an address is looked for here.
    package static func verify(_ channel: any Channel, isFor host: String, isProxied: Bool = false) throws {
        let address = try? SocketAddress(ipAddress: host, port: 0)
        guard address == nil || isProxied,
            let tls = try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
        else { return }
        guard let certificate = tls.peerCertificate,
            address.map({ Self.certificate(certificate, isFor: $0) }) ?? Self.certificate(certificate, isFor: host)
        else { throw NameMismatch() }
    }

    private static func certificate(_ certificate: NIOSSLCertificate, isFor address: SocketAddress) -> Bool {
        let wanted: [UInt8]
        switch address {
        case .v4(let address): wanted = withUnsafeBytes(of: address.address.sin_addr.s_addr) { Array($0) }
        case .v6(let address): wanted = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
        case .unixDomainSocket: return false
        }
        return certificate._subjectAlternativeNames().contains { alternative in
            alternative.nameType == .ipAddress && Array(alternative.contents) == wanted
        }
    }

    package static func certificate(_ certificate: NIOSSLCertificate, isFor name: String) -> Bool {
        certificate._subjectAlternativeNames().contains { alternative in
            alternative.nameType == .dnsName && Self.matches(Array(alternative.contents), name: name)
        }
    }

    /// Exactly, or with `*` as the whole of the first label. Names ignore case, and a dot at the end of the one that was asked
    /// for says only that it is whole.
    package static func matches(_ presented: [UInt8], name: String) -> Bool {
        let presented = String(decoding: presented, as: UTF8.self).lowercased()
        var name = name.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        guard !name.isEmpty else { return false }
        if presented == name { return true }
        guard presented.hasPrefix("*."), let dot = name.firstIndex(of: "."), dot != name.startIndex else {
            return false
        }
        return presented.dropFirst() == name[dot...]
    }
}
