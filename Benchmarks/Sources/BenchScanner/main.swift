import CSimdJSON
import ChatModel

// Time to scan one chunk: our scanner (with the UTF-8 check that comes before it) against simdjson, on-demand (which
// leaves what it does not read unchecked) and strict (which checks all, as ours does). Medians of rounds that take turns,
// so that noise hits all alike. `perf stat` or callgrind around a single one: name it as the argument.

let frames: [(name: String, text: String)] = [
    (
        "OpenAI, one token",
        #"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4.1-2025-04-14","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" streaming"},"logprobs":null,"finish_reason":null}]}"#
    ),
    (
        "short, Korean",
        #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"content":"스트리밍"},"finish_reason":null}]}"#
    ),
    (
        "llama.cpp, choices first",
        #"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" the"}}],"created":1741569952,"id":"chatcmpl-xyz","model":"SmolLM2","system_fingerprint":"b1-x","object":"chat.completion.chunk"}"#
    ),
    (
        "2 KiB of text",
        #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"content":""#
            + String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 46)
            + #""},"finish_reason":null}]}"#
    ),
]

struct Contender {
    var name: String
    var scan: (UnsafeRawBufferPointer, Int) -> Int
}

let scanner = bench_scanner_make()
defer { bench_scanner_free(scanner) }

func simd(
    _ scanner: OpaquePointer?,
    _ body: @escaping (OpaquePointer?, UnsafePointer<CChar>?, Int, Int, UnsafeMutablePointer<bench_chunk>?) -> Int32
) -> (UnsafeRawBufferPointer, Int) -> Int {
    { bytes, capacity in
        var chunk = bench_chunk()
        guard body(scanner, bytes.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count, capacity, &chunk) == 0
        else { return -1 }
        return Int(chunk.content_count)
    }
}

let contenders = [
    Contender(name: "chat-worker") { bytes, _ in
        var utf8 = UTF8Validator()
        guard utf8.consume(bytes), utf8.isAtBoundary, case .chunk(let chunk) = FrameScanner.scan(bytes) else {
            return -1
        }
        return Int(chunk.content.count)
    },
    Contender(name: "simdjson on-demand", scan: simd(scanner, bench_scanner_ondemand)),
    Contender(name: "simdjson strict", scan: simd(scanner, bench_scanner_strict)),
]

let chosen = CommandLine.arguments.dropFirst().first
let rounds = 31
let scansPerRound = 20_000
print("ns for one chunk, median of \(rounds) rounds of \(scansPerRound)")
for frame in frames {
    let bytes = Array(frame.text.utf8)
    let capacity = bytes.count + 64
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    buffer.copyBytes(from: bytes)
    let message = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<bytes.count])
    let contenders = contenders.filter { chosen == nil || $0.name == chosen }
    let found = Set(contenders.map { $0.scan(message, capacity) })
    precondition(found.count == 1 && found != [-1], "the scanners disagree on \(frame.name): \(found)")
    var times = [[Double]](repeating: [], count: contenders.count)
    let clock = ContinuousClock()
    for _ in 0..<rounds {
        for (index, contender) in contenders.enumerated() {
            var sum = 0
            let time = clock.measure { for _ in 0..<scansPerRound { sum &+= contender.scan(message, capacity) } }
            precondition(sum > 0)
            times[index].append(time / .nanoseconds(1) / Double(scansPerRound))
        }
    }
    for (contender, times) in zip(contenders, times) {
        print("\(frame.name) (\(bytes.count) bytes): \(contender.name) \(Int(times.sorted()[rounds / 2].rounded()))")
    }
}
