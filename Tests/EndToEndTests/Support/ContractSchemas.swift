import Foundation
import TestSupport

/// `docs/schemas`, as `scripts/validate-contracts` reads them.
enum ContractSchemas {
    /// What the script says of a body that a schema does not allow; `nil`: it does.
    static func complaint(about body: [UInt8], _ schema: String) async throws -> String? {
        let file = FileManager.default.temporaryDirectory.appending(path: "body-\(UUID().uuidString).json")
        try Data(body).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let script = TestBroker.checkout.appending(path: "scripts/validate-contracts").path
        let process = try ChildProcess([script, "--quiet", "--schema", schema, file.path])
        if try await process.exitCode() == 0 { return nil }
        return process.log.events.compactMap { event in
            switch event {
            case .output(let line), .error(let line): line
            default: nil
            }
        }.joined(separator: "\n")
    }
}
