import Glibc
import Logging
import Synchronization
import Testing

@testable import WorkerService

/// What becomes of log lines that nobody reads.
@Suite struct LogQueueTests {
    private static let line = LogRecord.line([UInt8](repeating: 0x61, count: 36))

    @Test func whatHasNoRoomIsCountedAndTold() {
        var queue = LogQueue(limit: 1_000)
        for _ in 0..<15 { queue.add(Self.line) }
        #expect(queue.dropped == 5)
        let first = queue.takeAll()
        #expect(first == Array(repeating: Self.line, count: 10) && !queue.isEmpty)
        // It is taken, but not written: as full as before, until half of it is.
        queue.add(Self.line)
        for record in first.prefix(4) { queue.written(record) }
        queue.add(Self.line)
        #expect(queue.dropped == 7 && queue.takeAll() == [.dropped(7)])
        queue.written(.dropped(7))
        for record in first.dropFirst(4) { queue.written(record) }
        #expect(queue.isEmpty && queue.takeAll().isEmpty && queue.dropped == 7)
    }

    @Test func linesThatComeAfterAGapStandBehindIt() {
        var queue = LogQueue(limit: 250)
        for _ in 0..<3 { queue.add(Self.line) }
        for record in queue.takeAll() { queue.written(record) }
        queue.add(.line([1]))
        #expect(queue.takeAll() == [.dropped(1), .line([1])])
    }

    @Test func aLineThatIsLargerThanAllRoomIsLeftOut() {
        var queue = LogQueue(limit: 100)
        queue.add(.entry([UInt8](repeating: 1, count: 60), line: [UInt8](repeating: 2, count: 60)))
        queue.add(.line([1]))
        #expect(queue.dropped == 1 && queue.takeAll() == [.dropped(1), .line([1])])
    }
}

@Suite(.timeLimit(.minutes(1))) struct LogWriterTests {
    /// A pipe, closed at the end.
    private final class TestPipe: Sendable {
        let reader: Int32
        let writer: Int32

        init(isNonBlocking: Bool = false) throws {
            var descriptors: [Int32] = [-1, -1]
            try #require(pipe(&descriptors) == 0)
            (reader, writer) = (descriptors[0], descriptors[1])
            if isNonBlocking { _ = fcntl(writer, F_SETFL, O_NONBLOCK) }
        }

        /// Reads so many lines.
        func lines(_ isEnough: ([Substring]) -> Bool) -> [Substring] {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
                if bytes.last == 0x0A, isEnough(lines) { return lines }
                let count = read(reader, &chunk, chunk.count)
                guard count > 0 else { return lines }
                bytes += chunk.prefix(count)
            }
        }
    }

    /// The reader has stopped: whoever logs goes on, at once, and when the reader goes on it hears what it has missed.
    @Test(arguments: [false, true]) func nobodyWaitsForTheReader(isNonBlocking: Bool) async throws {
        let pipe = try TestPipe(isNonBlocking: isNonBlocking)
        let writer = LogWriter(descriptor: pipe.writer, limit: 64 << 10)
        try writer.start()
        let handler = LineLogHandler(label: "test", isText: false, isJournal: false, writer: writer)
        let logger = Logger(label: "test", factory: { _ in handler })
        let (start, count) = (ContinuousClock.now, 20_000)
        await withTaskGroup(of: Void.self) { group in
            for part in 0..<4 {
                group.addTask {
                    for number in 0..<count / 4 { logger.info("line", metadata: ["n": "\(part)-\(number)"]) }
                }
            }
        }
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(writer.dropped > 0)
        let flush = ContinuousClock.now
        #expect(!writer.flush(atMost: 1), "the end of the process does not wait for it either")
        #expect(ContinuousClock.now - flush < .seconds(10))
        let dropped = writer.dropped
        // Every line stands there, or is in the count of a gap; the pipe took some, and so there may be two gaps.
        func written(_ lines: [Substring]) -> Int { lines.count { $0.contains("\"message\":\"line\"") } }
        func told(_ lines: [Substring]) -> Int {
            lines.filter { $0.contains(LogWriter.droppedMessage) }
                .reduce(0) { sum, line in
                    let number = line.firstRange(of: "\"count\":\"").map {
                        line[$0.upperBound...].prefix(while: \.isNumber)
                    }
                    return sum + (number.flatMap { Int($0) } ?? 0)
                }
        }
        let lines = pipe.lines { written($0) + told($0) >= count }
        #expect(written(lines) + told(lines) == count && told(lines) == dropped)
        #expect(lines.last?.contains(LogWriter.droppedMessage) == true, "\(lines.last ?? "")")
        logger.info("again")
        #expect(writer.flush(atMost: 10))
        #expect(pipe.lines { $0.contains { $0.contains("again") } }.count == 1)
        // The descriptors stay: the writer's thread never ends.
    }

    /// A reader that has gone, and a disk that is full, cost nothing but the lines.
    @Test func aLogThatCannotBeWrittenIsLost() throws {
        let full = open("/dev/full", O_WRONLY)
        let writer = LogWriter(descriptor: full)
        try writer.start()
        for _ in 0..<1_000 { writer.add(.line(Array("x\n".utf8))) }
        #expect(writer.flush(atMost: 10) && writer.dropped == 0)
    }

    /// journald hangs: its socket and the pipe to it are full.
    @Test func aJournalThatHangsIsNotWaitedFor() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/journal"
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        let address = try #require(NotifyAddress(path))
        try #require(address.withSocketAddress { bind(socket, $0, $1) } == 0)
        var status = stat()
        try #require(fstat(socket, &status) == 0)
        let journal = try #require(
            Journal(stream: "\(status.st_dev):\(status.st_ino)", path: path, standardError: socket))
        let pipe = try TestPipe()
        let writer = LogWriter(descriptor: pipe.writer, journal: journal, limit: 256 << 10)
        try writer.start()
        let handler = LineLogHandler(label: "test", isText: false, isJournal: true, writer: writer)
        let logger = Logger(label: "test", factory: { _ in handler })
        let start = ContinuousClock.now
        for number in 0..<10_000 { logger.info("line", metadata: ["n": "\(number)"]) }
        #expect(ContinuousClock.now - start < .seconds(20) && writer.dropped > 0)
        // The first ones are in the journal, as they came.
        var bytes = [UInt8](repeating: 0, count: 400)
        let count = recv(socket, &bytes, bytes.count, 0)
        #expect(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).hasPrefix("MESSAGE=line  n=0\n"))
    }
}
