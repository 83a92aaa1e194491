import ChatModel
import Gateway
import TestSupport
import Testing

@testable import JobRunner

/// What becomes of a job in every case of `docs/GATEWAYS.md`; that the gateway's client reports them as the tables say is
/// shown by `HostileGatewayTests`.
@Suite struct HostileJobTests {
    @Test func theLastColumn() throws {
        let rows = try GatewayTable.rows()
        #expect(rows.count > 90)
        for row in rows {
            for stage in row.stages { #expect(Self.outcome(of: row, at: stage) == row.job, "\(row.name) at \(stage)") }
        }
    }

    /// The error that a customer gets has the code and the stage of the table.
    @Test func theErrorSaysTheSame() throws {
        for row in try GatewayTable.rows() {
            guard let code = row.code, let stage = row.stages.last else { continue }
            let failure = try #require(Self.failure(row, code, at: stage))
            let told = JobFailure(failure)
            #expect(told.code == code && told.stage.rawValue == stage && told.isRetryable == row.isRetryable)
        }
    }

    private static func failure(_ row: GatewayTable.Row, _ code: String, at stage: String) -> GatewayFailure? {
        GatewayFailure.Stage(rawValue: stage).map {
            GatewayFailure(stage: $0, code: code, message: "m", isRetryable: row.isRetryable)
        }
    }

    private static func outcome(of row: GatewayTable.Row, at stage: String) -> String? {
        var machine = JobMachine(attempt: AttemptNumber(), policy: RetryPolicy())
        _ = machine.begin()
        guard let code = row.code else {
            machine.outputArrived()
            return machine.streamEnded(.complete, chance: 0) == .complete(.completed) ? "completes" : nil
        }
        guard let failure = failure(row, code, at: stage) else { return nil }
        if failure.stage == .streaming { machine.outputArrived() }
        return switch machine.streamEnded(.failed(failure), chance: 0) {
        case .wait: "again"
        case .yield: "waits"
        case .complete(.failed): failure.stage == .streaming ? "fails with text" : "fails"
        default: nil
        }
    }
}
