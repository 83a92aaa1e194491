import AMQP
import Testing

@testable import WorkerService

struct BrokerAdviceTests {
    private static func notes(_ version: String, job: Int = 1 << 20, answer: Int = 4 << 20) throws -> [String] {
        BrokerAdvice(
            version: try #require(BrokerVersion(version)), consumerTimeout: .seconds(1_800), maximumJobBytes: job,
            maximumAnswerBytes: answer
        ).notes
    }

    @Test(arguments: [
        ("3.9.29", ["(since 3.10)", "closes the worker's channel", "is tested with"]),
        ("3.10.8", ["closes the worker's channel"]),
        ("3.13.7", ["closes the worker's channel", "is tested with"]),
        ("4.0.5", ["closes the worker's channel"]),
        ("4.1.0", ["frame_max under 8192", "closes the worker's channel", "is tested with"]),
        ("4.3.6", ["transient queues", "frame_max under 8192", "ends the consumer"]),
        ("5.0.0", ["transient queues", "frame_max under 8192", "ends the consumer", "is tested with"]),
    ])
    func eachVersionHasItsNotes(version: String, expected: [String]) throws {
        let notes = try Self.notes(version)
        #expect(notes.count == expected.count, "\(notes)")
        for (note, part) in zip(notes, expected) { #expect(note.contains(part)) }
    }

    @Test(
        arguments: [
            ("3.10.8", 128 << 20, 64 << 20, []), ("4.0.5", 16 << 20, 16 << 20, []),
            ("4.0.5", (16 << 20) + 1, 4 << 20, ["jobs.max_bytes"]),
            ("4.3.6", 128 << 20, 64 << 20, ["replies.max_answer_bytes", "jobs.max_bytes"]),
        ] as [(String, Int, Int, [String])])
    func whatDoesNotFitIsTold(version: String, job: Int, answer: Int, keys: [String]) throws {
        let notes = try Self.notes(version, job: job, answer: answer).filter { $0.contains("max_message_size") }
        #expect(notes.count == keys.count && zip(notes, keys).allSatisfy { $0.hasPrefix($1) }, "\(notes)")
    }
}
