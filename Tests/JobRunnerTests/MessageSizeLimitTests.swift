import AMQP
import Testing

@testable import JobRunner

@Suite struct MessageSizeLimitTests {
    private static let most = 16 << 20

    @Test(
        arguments: [
            ("3.10.8", 64 << 20, 64 << 20, []), ("3.13.7", 64 << 20, 64 << 20, []), ("4.0.5", most, most, []),
            ("4.0.5", most + 1, most, ["jobs.max_bytes"]), ("4.0.5", 1, most + 1, ["replies.max_answer_bytes"]),
            ("4.3.6", 128 << 20, 64 << 20, ["replies.max_answer_bytes", "jobs.max_bytes"]),
            ("?", 128 << 20, 64 << 20, []),
        ] as [(String, Int, Int, [String])])
    func whatTheBrokerMayNotTakeIsNamed(version: String, job: Int, answer: Int, keys: [String]) {
        let warnings = MessageSizeLimit.warnings(
            version: BrokerVersion(version), maximumJobBytes: job, maximumAnswerBytes: answer)
        #expect(warnings.count == keys.count)
        for (warning, key) in zip(warnings, keys) { #expect(warning.hasPrefix(key) && warning.contains(version)) }
    }
}
