import NIOCore
import NIOHTTP1
import Testing

@testable import WorkerService

@Suite struct AdminConnectionStateTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let patience = AdminConnectionState.Patience()

    private func state() -> AdminConnectionState { AdminConnectionState(patience, now: Self.start) }

    @Test func whoeverSaysNothingIsTold() {
        let state = state()
        #expect(state.deadline == Self.start + patience.head)
        #expect(state.timeout(now: state.deadline - .nanoseconds(1)) == .goOn)
        #expect(state.timeout(now: state.deadline) == .requestTimeout)
    }

    @Test func aBodyHasToCome() {
        var state = state()
        let read = Self.start + .seconds(1)
        state.headRead(now: read)
        #expect(state.deadline == read + patience.body)
        #expect(state.timeout(now: state.deadline) == .requestTimeout)
        // An answer that is out cannot be followed by another.
        state.answerBegan()
        #expect(state.timeout(now: state.deadline) == .close)
        state.answerEnded(now: read)
        #expect(state.timeout(now: read + patience.body) == .close)
    }

    @Test func anAnswerTakesItsTime() {
        var state = state()
        state.headRead(now: Self.start)
        state.bodyRead()
        #expect(state.deadline == .distantFuture)
        state.answerBegan()
        state.writabilityChanged(false, now: Self.start)
        #expect(state.deadline == Self.start + patience.write)
        // Only a client that reads puts it off.
        state.writabilityChanged(false, now: Self.start + .seconds(1))
        #expect(state.deadline == Self.start + patience.write)
        #expect(state.timeout(now: state.deadline) == .close)
        state.writabilityChanged(true, now: Self.start)
        state.answerEnded(now: Self.start)
        #expect(state.deadline == Self.start + patience.idle)
        #expect(state.timeout(now: state.deadline) == .close, "between requests nobody waits for a word")
    }

    @Test func stopping() {
        var idle = state()
        #expect(idle.stop(now: Self.start) == .close)
        var reading = state()
        reading.headRead(now: Self.start)
        #expect(reading.stop(now: Self.start) == .stopping)
        var answering = state()
        answering.headRead(now: Self.start)
        answering.bodyRead()
        #expect(answering.stop(now: Self.start) == .goOn)
        #expect(answering.stop(now: Self.start + .seconds(1)) == .goOn, "only the first word counts")
        #expect(answering.deadline == Self.start + patience.stop)
        #expect(answering.timeout(now: answering.deadline) == .close)
    }

    struct Head: Sendable {
        var version = HTTPVersion.http1_1
        var headers: [(String, String)]
        var status: UInt?
    }

    @Test(arguments: [
        Head(headers: [("Host", "a")]), Head(headers: [], status: 400),
        Head(headers: [("Host", "a"), ("host", "a")], status: 400),
        Head(headers: [("Host", "a"), ("Expect", "100-Continue")]),
        Head(headers: [("Host", "a"), ("Expect", "a-miracle")], status: 417), Head(version: .http1_0, headers: []),
        Head(version: .http1_0, headers: [("Host", "a"), ("Host", "b")], status: 400),
        Head(version: .http1_0, headers: [("Expect", "a-miracle")]), Head(version: .http2, headers: [], status: 505),
    ])
    func heads(_ test: Head) {
        let head = HTTPRequestHead(version: test.version, method: .GET, uri: "/", headers: HTTPHeaders(test.headers))
        #expect(AdminConnectionHandler.complaint(about: head)?.0.code == test.status)
    }

    @Test(arguments: [
        ("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER   abc", "abc"), ("Basic abc", ""), ("Bearer", ""),
        ("Bearerabc", ""), ("", ""), (" Bearer abc", "abc"),
    ])
    func bearers(_ header: String, _ token: String) { #expect(AdminActions.bearer(header) == token) }

    /// One process has it; what is left of one that died is taken.
    @Test func sockets() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/admin.sock"
        let first = try AdminSocket(path)
        #expect(throws: AdminSocket.Taken.self) { _ = try AdminSocket(path) }
        first.release()
        let second = try AdminSocket(path)
        second.release()
        #expect(throws: AdminSocket.Taken.self) { _ = try AdminSocket("/nonexistent/admin.sock") }
    }
}
