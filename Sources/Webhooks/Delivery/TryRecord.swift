internal import ChatModel

/// What is kept of one try for the dead-letter queue. Travels with the task, as JSON in a header.
public struct TryRecord: Sendable, Equatable {
    /// Milliseconds since 1970 at its end.
    public var time: Int64
    /// `WebhookOutcome.Kind.name`.
    public var outcome: String
    public var status: Int?
    public var latencyMilliseconds: Int64
    public var detail: String
    /// The first 1 KiB of the endpoint's answer; bytes that are no UTF-8 are replaced.
    public var answer: String

    public init(_ outcome: WebhookOutcome, time: Int64) {
        self.time = time
        self.outcome = outcome.kind.name
        status = outcome.status
        latencyMilliseconds = outcome.latency.wholeMilliseconds
        detail = outcome.detail
        answer = String(decoding: outcome.answer, as: UTF8.self)
    }

    private init?(_ value: JSONValue) {
        guard let time = value["time"]?.integerValue, let outcome = value["outcome"]?.stringValue else { return nil }
        self.time = Int64(time)
        self.outcome = outcome
        status = value["status"]?.integerValue
        latencyMilliseconds = Int64(value["latency_ms"]?.integerValue ?? 0)
        detail = value["detail"]?.stringValue ?? ""
        answer = value["answer"]?.stringValue ?? ""
    }

    private var json: JSONValue {
        var members: [JSONValue.Member] = [.init("time", .integer(time)), .init("outcome", .string(outcome))]
        if let status { members.append(.init("status", .integer(status))) }
        members.append(.init("latency_ms", .integer(latencyMilliseconds)))
        if !detail.isEmpty { members.append(.init("detail", .string(detail))) }
        if !answer.isEmpty { members.append(.init("answer", .string(answer))) }
        return .object(members)
    }

    /// Headers have to fit into one frame of the broker (128 KiB), with all else that stands there.
    private static let longestHeader = 64 << 10
    private static let mostRecords = 100

    /// The oldest answers are left out first where all of them are too long.
    static func header(_ records: [TryRecord]) -> String {
        var records = Array(records.suffix(Self.mostRecords))
        func encoded() -> [UInt8] { JSONValue.array(records.map(\.json)).serialized() }
        var text = encoded()
        for index in records.indices where text.count > Self.longestHeader {
            records[index].answer = ""
            text = encoded()
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What cannot be read is left out: nothing depends on it.
    static func parse(header: String) -> [TryRecord] {
        ((try? JSONValue(parsing: header.utf8))?.arrayValue ?? []).compactMap(TryRecord.init)
    }
}
