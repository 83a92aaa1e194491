import ChatModel
import Foundation
import TestSupport
import Testing
import Webhooks

/// A live worker's webhooks, verified by the libraries that consumers use: the reference one of Standard Webhooks, and
/// Svix's. `scripts/webhook-libraries` fetches them from PyPI; without them this fails, and says so.
@Suite(.serialized, .timeLimit(.minutes(3))) struct StandardWebhooksTests {
    private static let python = "\(root)/.venv-webhooks/bin/python"
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private static let key = "whsk_" + Data((1...32).map { UInt8($0) }).base64EncodedString()

    @Test(arguments: ["current", "old", "stranger"]) func officialLibrariesVerify(consumer: String) async throws {
        try #require(
            FileManager.default.isExecutableFile(atPath: Self.python),
            "NOT VERIFIED BY OFFICIAL LIBRARIES: run scripts/webhook-libraries, which needs PyPI")
        let secrets = [
            "current": WebhookSecret.random(), "old": WebhookSecret.random(), "stranger": WebhookSecret.random(),
        ].mapValues { $0.reveal() }
        let publicKey = try WebhookSigningKey(Self.key).publicKey
        let consumed = try #require(secrets[consumer])
        let server = try ChildProcess([Self.python, "\(Self.root)/scripts/verify-webhooks.py", consumed, publicKey])
        let port = try await server.log.first("port") { event in
            if case .output(let line) = event { Int(line) } else { nil }
        }
        try await ProcessStage.run(configure: { settings, _ in
            settings.receiverURL = "http://127.0.0.1:\(port)/hook"
        }) { stage in
            let old = try stage.files.write(secrets["old"] ?? "", to: "old-secret")
            let current = try stage.files.write(secrets["current"] ?? "", to: "current-secret")
            let key = try stage.files.write(Self.key, to: "ed25519-key")
            let path = stage.files.configuration
            let text = try String(contentsOfFile: path, encoding: .utf8).replacing(
                "[webhooks.endpoints.receiver]",
                with: """
                    [webhooks.endpoints.receiver]
                    secret_files = ["\(current)", "\(old)"]
                    ed25519_key_file = "\(key)"
                    """)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            _ = try await stage.startReadyWorker()
            try await stage.deployment.enqueue([TestJob("verified")])
            let line = try await server.log.first("verdict") { event in
                if case .output(let line) = event, line.hasPrefix("{") { line } else { nil }
            }
            let verdict = try JSONValue(parsing: line.utf8)
            #expect(verdict["id"]?.stringValue == WebhookID.derive(customer: "acme", job: "verified"))
            for library in ["standardwebhooks", "svix"] {
                #expect((verdict[library] == .string("ok")) == (consumer != "stranger"), "\(line)")
            }
            #expect(verdict["v1a"] == .string("ok"), "\(line)")
        }
        await server.kill()
    }
}
