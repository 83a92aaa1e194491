import Glibc
import LibRabbitMQ

/// What is known of each job: judged as its messages come in. Everything is indexed by the number in the job's id.
struct Jobs {
    private(set) var latency = Histogram()
    /// From the publish of a job to the arrival of its first token.
    private(set) var firstToken = Histogram()
    private(set) var tokens = 0
    private(set) var messages = 0
    private(set) var ended = 0
    private(set) var resets = 0
    /// What must not be.
    private(set) var damaged = 0
    private(set) var misplaced = 0
    private(set) var failed = 0

    let tokensPerJob: Int
    /// The number of the first job.
    let base: Int
    /// When each was published; written by the thread that enqueues, before the job leaves.
    let publishedAt: UnsafeMutablePointer<UInt64>
    /// When the first token, and the last message, of each came; 0: not yet.
    private(set) var firstAt: [UInt64]
    private(set) var endedAt: [UInt64]
    private var nextToken: [Int]
    private var nextSequence: [Int64]
    private var attempt: [Int64]
    private var hasEnded: [Bool]

    /// - Parameter deaf: of so many customers the last does not read: nothing is expected for him. `nil`: all read.
    init(base: Int, count: Int, tokensPerJob: Int, deaf: Int? = nil) {
        self.tokensPerJob = tokensPerJob
        self.base = base
        publishedAt = .allocate(capacity: count)
        publishedAt.initialize(repeating: 0, count: count)
        firstAt = [UInt64](repeating: 0, count: count)
        endedAt = [UInt64](repeating: 0, count: count)
        nextToken = [Int](repeating: 0, count: count)
        nextSequence = [Int64](repeating: 0, count: count)
        attempt = [Int64](repeating: 0, count: count)
        hasEnded = [Bool](repeating: false, count: count)
        guard let deaf else { return }
        for job in 0..<count where (base + job) % deaf == deaf - 1 {
            nextToken[job] = tokensPerJob
            hasEnded[job] = true
            ended += 1
        }
    }

    /// Tokens that never came, of jobs that were published.
    var missing: Int { nextToken.reduce(0) { $0 + max(0, tokensPerJob - $1) } }
    var notEnded: Int { hasEnded.count { !$0 } }
    var isGood: Bool { damaged == 0 && misplaced == 0 && failed == 0 && missing == 0 && notEnded == 0 }

    /// Takes one reply.
    /// - Parameters:
    ///   - now: monotonic nanoseconds at which it was read.
    mutating func take(_ reply: Reply, _ body: UnsafeRawBufferPointer, now: UInt64) {
        messages += 1
        guard let job = reply.job.map({ $0 - base }), nextToken.indices.contains(job) else {
            damaged += 1
            return
        }
        if reply.attempt > attempt[job] {
            // A later attempt says everything again, from its first message on.
            attempt[job] = reply.attempt
            nextSequence[job] = 0
            nextToken[job] = 0
        }
        guard reply.attempt == attempt[job] else { return }
        guard reply.sequence == nextSequence[job], !hasEnded[job] else {
            misplaced += 1
            return
        }
        nextSequence[job] += 1
        switch reply.kind {
        case .chunk: takeTokens(body, job, now)
        case .reset: resets += 1
        case .completion:
            hasEnded[job] = true
            endedAt[job] = now
            ended += 1
        case .error:
            hasEnded[job] = true
            ended += 1
            failed += 1
        }
    }

    /// The stamps in a chunk: `NANOSECONDS:NUMBER `, one for each token, between the quotes of its content.
    private mutating func takeTokens(_ body: UnsafeRawBufferPointer, _ job: Int, _ now: UInt64) {
        guard var place = body.end(of: Self.content) else { return }
        while place < body.count, body[place] != 0x22 {
            var stamp: UInt64 = 0
            while place < body.count, body[place] &- 0x30 < 10 {
                stamp = stamp &* 10 &+ UInt64(body[place] &- 0x30)
                place += 1
            }
            guard place < body.count, body[place] == 0x3A else { return damaged += 1 }
            place += 1
            var number = 0
            while place < body.count, body[place] &- 0x30 < 10 {
                number = number &* 10 &+ Int(body[place] &- 0x30)
                place += 1
            }
            guard place < body.count, body[place] == 0x20 else { return damaged += 1 }
            place += 1
            guard number == nextToken[job], stamp <= now else { return misplaced += 1 }
            nextToken[job] += 1
            tokens += 1
            latency.add(now - stamp)
            guard number == 0, publishedAt[job] > 0 else { continue }
            firstAt[job] = now
            firstToken.add(now - publishedAt[job])
        }
    }

    private static let content = Array("\"content\":\"".utf8)
}

/// The headers of a reply.
struct Reply {
    enum Kind { case chunk, reset, completion, error }

    var kind = Kind.error
    var job: Int?
    var attempt: Int64 = 0
    var sequence: Int64 = -1
}

extension UnsafeRawBufferPointer {
    /// Where the first occurrence of `text` ends.
    func end(of text: [UInt8]) -> Int? {
        text.withUnsafeBytes { text in
            guard let base = baseAddress, let found = memmem(base, count, text.baseAddress, text.count) else {
                return nil
            }
            return UnsafeRawPointer(found) - base + text.count
        }
    }
}
