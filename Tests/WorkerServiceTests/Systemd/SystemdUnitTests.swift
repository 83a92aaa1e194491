import Foundation
import Testing

@testable import WorkerService

/// The shipped units against the worker and its configuration.
@Suite struct SystemdUnitTests {
    private static func lines(_ name: String) throws -> [String] {
        try PackageRoot.text(of: "systemd/\(name)").split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("#") && !$0.hasPrefix("[") }
    }

    @Test(arguments: ["chat-worker.service", "chat-worker@.service"]) func says(unit: String) throws {
        let lines = try Self.lines(unit)
        for line in [
            "Type=notify", "NotifyAccess=main", "WatchdogSec=30", "Restart=on-failure",
            "RestartPreventExitStatus=64 78",
            "ExecStart=/usr/bin/chat-worker run --config /etc/chat-worker/worker.conf", "DynamicUser=yes",
            "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "UMask=0077",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        func seconds(_ key: String) throws -> Int {
            let line = try #require(lines.first { $0.hasPrefix(key + "=") })
            return try #require(Int(line.dropFirst(key.count + 1)))
        }
        #expect(WorkerConfiguration().limits.drainTimeout < .seconds(try seconds("TimeoutStopSec")))
        var configuration = WorkerConfiguration()
        configuration.jobs.concurrency = 60_000
        #expect(configuration.openFilesNeeded <= (try seconds("LimitNOFILE")))
        // What worker.conf names by default is what the unit loads.
        let loaded = lines.filter { $0.hasPrefix("LoadCredential=") }.compactMap { $0.split(separator: "=").last }
            .compactMap { $0.split(separator: ":").first }.map(String.init)
        // A missing file is told by the worker, with line and key, and not by systemd as 243/CREDENTIALS.
        for name in loaded { #expect(lines.contains("SetCredential=\(name):\\n")) }
        let shipped = try WorkerConfiguration.load(path: "\(PackageRoot.path)/worker.conf")
        let named =
            [shipped.broker.passwordFile] + shipped.gateways.values.map(\.keyFile) + shipped.webhooks.secretFiles
        #expect(Set(loaded) == Set(named))
    }

    @Test func theTemplateDiffersOnlyInItsInstance() throws {
        let plain = try Self.lines("chat-worker.service")
        let template = try Self.lines("chat-worker@.service")
        // One folder in /run for all instances would be removed with the first of them that stops.
        #expect(
            Set(template).symmetricDifference(plain).filter { !$0.hasPrefix("Description=") }.sorted() == [
                "DefaultInstance=1", "Environment=CHAT_WORKER_INSTANCE=%i", "RuntimeDirectory=chat-worker",
            ])
    }

    private static let analyzer = "/usr/bin/systemd-analyze"

    /// 1.5 of 10 is the most; 1.2 was reached with systemd 252.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: analyzer)))
    func exposureIsLow() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.analyzer)
        process.arguments = [
            "security", "--offline=true", "--threshold=15", "--no-pager",
            "\(PackageRoot.path)/systemd/chat-worker.service",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}
