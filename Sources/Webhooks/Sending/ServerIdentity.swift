internal import NIOSSL

/// Whether a certificate is for a name. NIOSSL takes a certificate for the peer's *address* as good for any name that
/// resolves to it (and a common name where there is nothing else), so that whoever can forge a DNS answer needs only a
/// certificate for an address of his own. So the name is looked for once more, as RFC 9525 asks for it.
enum ServerIdentity {
    /// The certificate has no `dNSName` that matches.
    struct NameMismatch: Error {}

    static func certificate(_ certificate: NIOSSLCertificate, isFor name: String) -> Bool {
        certificate._subjectAlternativeNames().contains { alternative in
            alternative.nameType == .dnsName && Self.matches(Array(alternative.contents), name: name)
        }
    }

    /// Exactly, or with `*` as the whole of the first label.
    static func matches(_ presented: [UInt8], name: String) -> Bool {
        let presented = String(decoding: presented, as: UTF8.self).lowercased()
        if presented == name { return true }
        guard presented.hasPrefix("*."), let dot = name.firstIndex(of: "."), dot != name.startIndex else {
            return false
        }
        return presented.dropFirst() == name[dot...]
    }
}
