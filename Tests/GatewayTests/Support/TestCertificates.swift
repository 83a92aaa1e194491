import Foundation
import Gateway
import NIOSSL

/// Certificates made by openssl in a folder of their own, gone with the last reference.
final class TestCertificates: Sendable {
    let folder: URL

    var authorityFile: String { path("ca.pem") }
    var otherAuthorityFile: String { path("other-ca.pem") }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "gateway-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["ca", "other-ca"] {
            try openssl(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=\(name) -keyout \(name).key -out \(name).pem")
        }
        try issue("good", names: "DNS:localhost,IP:127.0.0.1")
        try issue("wrong-name", names: "DNS:example.org,IP:10.0.0.1")
        try issue("address", names: "IP:127.0.0.1")
        try issue("client", names: "DNS:client")
        try issue("expired", names: "DNS:localhost,IP:127.0.0.1", days: "-1")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func server(
        _ name: String, protocols: [String] = [], change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(path("\(name).pem")).map { .certificate($0) },
            privateKey: .privateKey(try .init(file: path("\(name).key"), format: .pem)))
        configuration.applicationProtocols = protocols
        change(&configuration)
        return try NIOSSLContext(configuration: configuration)
    }

    /// One that a client may show.
    func client(_ name: String = "client") -> GatewayClientCertificate {
        GatewayClientCertificate(certificateFile: path("\(name).pem"), keyFile: path("\(name).key"))
    }

    private func issue(_ name: String, names: String, days: String = "2") throws {
        try openssl("req -newkey rsa:2048 -nodes -subj /CN=\(name) -keyout \(name).key -out \(name).csr")
        try Data("subjectAltName=\(names)\n".utf8).write(to: folder.appending(path: "\(name).ext"))
        try openssl(
            "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -days \(days) -extfile \(name).ext "
                + "-out \(name).pem")
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private struct OpenSSLFailed: Error { var arguments: String }

    private func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = folder
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw OpenSSLFailed(arguments: arguments) }
    }
}
