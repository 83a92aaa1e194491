import Foundation
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import Webhooks

/// Whole answers, heads and bodies, that were changed at random, over real sockets: whatever a receiver sends, the post ends
/// and the process lives. `scripts/fuzz-answers` runs as many as it is asked for.
@Suite(.serialized) struct AnswerFuzzTests {
    private static let count = ProcessInfo.processInfo.environment["CHAT_WORKER_FUZZ_ANSWERS"].flatMap { Int($0) }
    private static let seed =
        ProcessInfo.processInfo.environment["CHAT_WORKER_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1

    @Test func answersOfHTTP1() async throws {
        let mutator = Mutex(AnswerMutator(seeds: AnswerMutator.http1, seed: Self.seed))
        let server = try await RawAnswerServer { _ in
            mutator.withLock { .init(bytes: $0.next(), closes: !$0.chance(12)) }
        }
        try await Self.post(
            Self.count ?? 3_000, to: "http://127.0.0.1:\(server.port)/",
            SenderSupport.configuration(timeout: .milliseconds(500)), senders: 1, atOnce: 24)
        await server.stop()
    }

    @Test func framesOfHTTP2() async throws {
        let certificates = try await Certificates.shared.value
        let mutator = Mutex(AnswerMutator(seeds: AnswerMutator.http2, seed: Self.seed))
        let server = try await RawAnswerServer(tls: try certificates.server("hooks", protocols: ["h2"])) { stream in
            mutator.withLock { mutator in
                let frames = mutator.next(for: stream)
                return .init(bytes: frames, closes: !mutator.chance(12))
            }
        }
        let configuration = SenderSupport.configuration(
            timeout: .milliseconds(500), certificateAuthorityFile: certificates.authority)
        try await Self.post(
            Self.count.map { $0 / 10 } ?? 300, to: "https://hooks.test:\(server.port)/", configuration, senders: 16,
            atOnce: 1)
        await server.stop()
    }

    /// - Parameter senders: each has connections of its own: one bad answer over HTTP/2 ends all that share its connection.
    private static func post(
        _ count: Int, to url: String, _ configuration: WebhookConfiguration, senders: Int, atOnce: Int
    ) async throws {
        let progress = Progress(count: count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<senders {
                group.addTask {
                    try await SenderSupport.withSender(
                        configuration, resolver: TableResolver(["hooks.test": ["127.0.0.1"]])
                    ) { sender in
                        await withTaskGroup(of: Void.self) { group in
                            for _ in 0..<atOnce {
                                group.addTask {
                                    while progress.next() {
                                        progress.note(await sender.post(SenderSupport.task(url)).kind)
                                    }
                                }
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let ends = progress.kinds.withLock { $0 }
        #expect(ends.values.reduce(0, +) == count)
        #expect(ends["abandoned"] == nil && ends["refused"] == nil, "\(ends)")
        // A try that only ran out of time was not judged. Over HTTP/2, with a handshake for each, a busy machine makes more.
        #expect((ends["timeout"] ?? 0) < count / (atOnce > 1 ? 5 : 2), "\(ends)")
        #expect((ends["delivered"] ?? 0) > count / 100 && (ends["invalid_response"] ?? 0) > count / 200, "\(ends)")
        print("answers by what came of them: \(ends)")
    }
}

/// How many posts were made, and what came of them.
private final class Progress: Sendable {
    let kinds = Mutex<[String: Int]>([:])
    private let begun = Atomic(0)
    private let count: Int

    init(count: Int) { self.count = count }

    func next() -> Bool {
        let number = begun.add(1, ordering: .relaxed).newValue
        if number % 10_000 == 0 { print("\(number) answers") }
        return number <= count
    }

    func note(_ kind: WebhookOutcome.Kind) { kinds.withLock { $0[kind.name, default: 0] += 1 } }
}

/// Changes answers at random, the same ones for the same seed.
struct AnswerMutator {
    private var random: SeededGenerator
    private let seeds: [[UInt8]]

    static let http1: [[UInt8]] = [
        okay, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + okay,
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + okay,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
        "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nbody",
        "HTTP/1.1 429 Too Many\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n" + okay,
        "HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1/\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\u{1}\u{2}\u{3}\u{4}",
    ].map { Array($0.utf8) }

    /// With stream 0, which is replaced by that of the request.
    static let http2: [[UInt8]] = [
        Frames.head(0, [(":status", "200")]) + Frames.data(0, "ok"), Frames.head(0, [(":status", "204")], ends: true),
        Frames.head(0, [(":status", "103"), ("link", "</a>")]) + Frames.head(0, [(":status", "202")], ends: true),
        Frames.head(0, [(":status", "200")]) + Frames.data(0, "ok", ends: false)
            + Frames.head(0, [("x", "y")], ends: true),
        Frames.head(0, [(":status", "101")]) + Frames.head(0, [(":status", "200")], ends: true),
        Frames.pushPromise(0, promising: 2) + Frames.head(0, [(":status", "200")], ends: true),
        Frames.frame(3, flags: 0, 0, Frames.number(7)), Frames.goAway(last: 0),
        Frames.settings([(3, 1), (4, 65_535)]) + Frames.head(0, [(":status", "500")], ends: true),
        Frames.frame(8, flags: 0, 0, Frames.number(1_000)) + Frames.head(0, [(":status", "-1")], ends: true),
        Frames.head(0, [(":status", "200"), ("content-length", "9")]) + Frames.data(0, "ok"),
        Frames.frame(6, flags: 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]) + Frames.head(0, [(":status", "")], ends: true),
    ]

    private static let words = [
        "HTTP/1.1 ", "\r\n", "\r\n\r\n", "content-length: ", "-1", "18446744073709551616",
        "transfer-encoding: chunked\r\n",
        "0\r\n\r\n", "ffffffffffffffff\r\n", ": ", "\u{0}", " ", "connection: keep-alive\r\n", "upgrade: websocket\r\n",
        "000", "099", "100", "101", "199", "204", "304", "999", "trailer: x\r\n", "HTTP/2.0 200\r\n", "\t",
    ].map { Array($0.utf8) }

    init(seeds: [[UInt8]], seed: UInt64) {
        self.seeds = seeds
        random = SeededGenerator(seed: seed)
    }

    /// True once in so many times.
    mutating func chance(_ times: Int) -> Bool { Int.random(in: 0..<times, using: &random) == 0 }

    mutating func next() -> [UInt8] {
        var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
        if chance(3) { bytes += seeds[Int.random(in: 0..<seeds.count, using: &random)] }
        for _ in 0..<Int.random(in: 0...4, using: &random) { change(&bytes) }
        return bytes
    }

    /// Frames for a stream: the numbers first, so that changes hit them too.
    mutating func next(for stream: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0...(chance(3) ? 1 : 0) {
            bytes += Self.renumbered(seeds[Int.random(in: 0..<seeds.count, using: &random)], stream)
        }
        for _ in 0..<Int.random(in: 0...3, using: &random) { change(&bytes) }
        return bytes
    }

    private static func renumbered(_ frames: [UInt8], _ stream: UInt32) -> [UInt8] {
        var frames = frames
        var start = 0
        while start + 9 <= frames.count {
            let size = frames[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
            // Those of the connection itself stay.
            if [0, 1, 3, 5].contains(frames[start + 3]) {
                frames.replaceSubrange(start + 5..<start + 9, with: Frames.number(stream))
            }
            start += 9 + size
        }
        return frames
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, index + Int.random(in: 1...12, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[index] = .random(in: 0...255, using: &random)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.removeSubrange(index..<end)
        case 3: bytes.insert(contentsOf: bytes[index..<end], at: index)
        case 4: bytes.insert(contentsOf: Self.words[Int.random(in: 0..<Self.words.count, using: &random)], at: index)
        case 5: bytes.removeSubrange(index...)
        default:
            // Another status.
            let digits = (0..<3).map { _ in UInt8.random(in: 0x30...0x39, using: &random) }
            if bytes.count > 12 { bytes.replaceSubrange(9..<12, with: digits) }
        }
    }
}
