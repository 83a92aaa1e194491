import Glibc
import Logging
import Testing

@testable import WorkerService

/// Entries for systemd's journal, and when they are written.
@Suite struct JournalTests {
    @Test func anEntryHasItsFields() {
        let entry = Journal.entry(
            .warning, "chat-worker", "job failed\nPRIORITY=0", ["job.id": "j-1", "customer": "a\nMESSAGE=x"])
        var expected = Array("MESSAGE=job failed?PRIORITY=0  customer=\"a\\nMESSAGE=x\"  job.id=j-1\n".utf8)
        expected += Array("PRIORITY=4\nSYSLOG_IDENTIFIER=chat-worker\nLOGGER=chat-worker\nCUSTOMER\n".utf8)
        expected += [11, 0, 0, 0, 0, 0, 0, 0] + Array("a\nMESSAGE=x\nJOB_ID=j-1\n".utf8)
        #expect(entry == expected, "\(String(decoding: entry, as: UTF8.self))")
    }

    @Test(arguments: [("job.id", "JOB_ID"), ("_PID", "X_PID"), ("9", "X9"), ("", "X"), ("é", "X__")])
    func names(_ key: String, _ name: String) {
        #expect(Journal.name(of: key) == name)
    }

    @Test func onlyWhereStandardErrorLeadsThere() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/journal"
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        let address = try #require(NotifyAddress(path))
        try #require(address.withSocketAddress { bind(socket, $0, $1) } == 0)
        var status = stat()
        try #require(fstat(socket, &status) == 0)
        let stream = "\(status.st_dev):\(status.st_ino)"
        #expect(Journal(stream: nil, path: path, standardError: socket) == nil)
        #expect(Journal(stream: "1:2", path: path, standardError: socket) == nil)
        #expect(Journal(stream: stream, path: path + "-", standardError: socket) == nil)

        let journal = try #require(Journal(stream: stream, path: path, standardError: socket))
        #expect(journal.write(Journal.entry(.info, "l", "m", [:])))
        var bytes = [UInt8](repeating: 0, count: 200)
        let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        #expect(
            String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                == "MESSAGE=m\nPRIORITY=6\nSYSLOG_IDENTIFIER=chat-worker\nLOGGER=l\n")
    }
}
