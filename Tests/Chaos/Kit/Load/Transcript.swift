internal import ChatModel
internal import Foundation

/// What the simulated gateway wrote down about its own answers.
package enum Transcript {
    /// By `user`, which is the job. A line that was cut off when the gateway was killed is left out.
    package static func read(_ path: String) throws -> [String: [GatewayAnswer]] {
        var answers: [String: [GatewayAnswer]] = [:]
        guard FileManager.default.fileExists(atPath: path) else { return answers }
        for line in try Data(contentsOf: URL(filePath: path)).split(separator: 0x0A) {
            guard let value = try? JSONValue(parsing: line), let user = value["user"]?.stringValue else { continue }
            answers[user, default: []].append(
                GatewayAnswer(
                    isComplete: value["end"]?.stringValue == "complete", text: value["text"]?.stringValue ?? ""))
        }
        return answers
    }
}
