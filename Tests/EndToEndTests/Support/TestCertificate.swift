import Foundation

/// A certificate for localhost that vouches for itself, made by openssl once for all tests of this process.
enum TestCertificate {
    struct Files: Sendable {
        var certificate: String
        var key: String
    }

    private struct OpenSSLFailed: Error {}

    static let localhost = Result { () throws -> Files in
        let folder = FileManager.default.temporaryDirectory.appending(path: "e2e-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let files = Files(
            certificate: folder.appending(path: "certificate.pem").path, key: folder.appending(path: "key.pem").path)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", files.key, "-out",
            files.certificate,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw OpenSSLFailed() }
        return files
    }
}
