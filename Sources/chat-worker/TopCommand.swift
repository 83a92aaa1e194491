import ArgumentParser
import ChatModel
import Glibc
import WorkerService

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "A live view of a running worker: streams, rates, latency, customers by load.",
        discussion: """
            It asks the worker's admin server (admin.listen, or --listen), and redraws until Ctrl-C. Where the output is no \
            terminal it prints once.

            Example:
              chat-worker top --config worker.conf

            --json prints what the worker's /status says, once.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Option(
        help: ArgumentHelp("Another worker than the configuration's: host:port or unix:/path.", valueName: "address"))
    var listen: String?
    @Option(help: ArgumentHelp("Between two looks.", valueName: "seconds")) var interval = 1
    @Flag(help: "Print once and end.") var once = false
    @Flag(help: "Print as JSON, once.") var json = false

    mutating func validate() throws {
        guard (1...3_600).contains(interval) else { throw ValidationError("--interval is 1 to 3600 seconds.") }
    }

    func run() async throws {
        let address = try listen ?? options.load().admin.listen
        let client = try Exit.mapping { try AdminClient(listen: address) }
        if json {
            let status = try await Exit.mapping { try await client.status() }
            return Output.print(String(decoding: status.serialized(), as: UTF8.self))
        }
        // Two looks make rates.
        let previous = Look(try await Exit.mapping { try await client.status() })
        guard !once, Output.isTerminal else {
            try await Task.sleep(for: .seconds(1))
            let look = Look(try await Exit.mapping { try await client.status() })
            return Output.print(TopText.lines(look, since: previous, size: nil).joined(separator: "\n"))
        }
        // Another screen, without a cursor; what stood there comes back at the end.
        Output.print("\u{1B}[?1049h\u{1B}[?25l", newline: false)
        defer { Output.print("\u{1B}[?25h\u{1B}[?1049l", newline: false) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await StandIn.untilToldToStop() }
            group.addTask { [previous] in
                var previous = previous
                while !Task.isCancelled {
                    guard (try? await Task.sleep(for: .seconds(interval))) != nil else { return }
                    let lines: [String]
                    do {
                        let look = Look(try await client.status())
                        lines = TopText.lines(look, since: previous, size: Terminal.size)
                        previous = look
                    } catch {
                        lines = ["\(error)", "", "Ctrl-C ends."]
                    }
                    // Each line ends what stood there before, and the last one ends the screen.
                    let text = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
                    Output.print("\u{1B}[H" + text + "\u{1B}[J", newline: false)
                }
            }
            await group.next()
            group.cancelAll()
        }
    }
}

/// What a worker said, and when.
struct Look: Sendable {
    let status: JSONValue
    let at: ContinuousClock.Instant

    init(_ status: JSONValue, at: ContinuousClock.Instant = .now) {
        self.status = status
        self.at = at
    }

    func number(_ path: String...) -> Int {
        Self.bounded(path.reduce(Optional(status)) { $0?[$1] }?.integerValue ?? 0)
    }

    func text(_ path: String...) -> String {
        path.reduce(Optional(status)) { $0?[$1] }?.stringValue ?? ""
    }

    func list(_ key: String) -> [JSONValue] { status[key]?.arrayValue ?? [] }

    var published: Int {
        status["broker"]?["publishers"]?.arrayValue?.reduce(0) {
            Self.bounded($0 + Self.bounded($1["published"]?.integerValue ?? 0))
        } ?? 0
    }

    /// Whoever answers may say any number: sums, differences and thousandths of these are still numbers.
    private static func bounded(_ number: Int) -> Int { min(max(number, -1 << 50), 1 << 50) }

    var ended: Int { number("jobs", "completed") + number("jobs", "failed") + number("jobs", "cancelled") }
}

private enum Terminal {
    static var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20, size.ws_row > 5 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}

/// Makes the lines of `top`.
enum TopText {
    /// - Parameter size: of the terminal; `nil`: there is none, and nothing is cut.
    static func lines(_ look: Look, since previous: Look, size: (width: Int, height: Int)?) -> [String] {
        let seconds = max(0.001, (look.at - previous.at) / .seconds(1))
        func rate(_ value: (Look) -> Int) -> String { decimal(Double(max(0, value(look) - value(previous))) / seconds) }
        let state = look.status["broker"]?["blocked"] == .bool(true) ? "blocked by the broker" : look.text("state")
        var lines = [
            "\(look.text("worker", "name"))  \(state)  up \(age(look.number("worker", "uptime_seconds") * 1_000))  "
                + look.text("worker", "version"),
            "jobs      \(look.number("jobs", "running")) running, \(look.number("jobs", "waiting")) waiting, "
                + "\(look.number("jobs", "completed")) completed, \(look.number("jobs", "failed")) failed, "
                + "\(look.number("jobs", "cancelled")) cancelled",
            "a second  \(rate { $0.number("output_chunks") }) tokens, \(rate(\.published)) messages, \(rate(\.ended)) jobs;  confirm p99 "
                + latency(look, "confirm", "p99_ms"),
            "first     p50 \(latency(look, "first_chunk", "p50_ms")), p99 \(latency(look, "first_chunk", "p99_ms"));  chunk "
                + "p50 \(latency(look, "chunk", "p50_ms")), p99 \(latency(look, "chunk", "p99_ms"))",
            "webhooks  \(look.number("webhooks", "delivered")) delivered, \(look.number("webhooks", "pending")) under way, "
                + "\(look.status["webhooks"]?["endpoints"]?.arrayValue?.count ?? 0) endpoints with trouble",
            "",
        ]
        lines += table(
            ["CUSTOMER", "RUNNING", "WAITING"],
            look.list("customers").prefix(size == nil ? 20 : 8).map {
                [text($0, "customer"), number($0, "running"), number($0, "waiting")]
            }, numbersFrom: 1)
        lines.append("")
        lines += table(
            ["MODEL", "GATEWAY", "GATE", "IN FLIGHT"],
            look.list("routes").prefix(6).map {
                [text($0, "model"), text($0, "gateway"), text($0, "gate"), number($0, "in_flight")]
            }, numbersFrom: 3)
        lines.append("")
        lines += table(
            ["JOB", "CUSTOMER", "MODEL", "STATE", "CHUNKS", "AGE"],
            look.list("streams").map {
                [
                    text($0, "job"), text($0, "customer"), text($0, "model"), text($0, "state"), number($0, "chunks"),
                    age($0["age_ms"]?.integerValue ?? 0),
                ]
            }, numbersFrom: 4)
        guard let size else { return lines }
        return lines.prefix(size.height).map { String($0.prefix(size.width)) }
    }

    private static func table(_ head: [String], _ rows: [[String]], numbersFrom: Int) -> [String] {
        let all = [head] + rows
        let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column < numbersFrom ? row[column] + space : space + row[column]
            }.joined(separator: "  ")
        }
    }

    private static func text(_ row: JSONValue, _ key: String) -> String { printable(row[key]?.stringValue ?? "") }
    private static func number(_ row: JSONValue, _ key: String) -> String { "\(row[key]?.integerValue ?? 0)" }

    private static func latency(_ look: Look, _ name: String, _ key: String) -> String {
        look.status["latency"]?[name]?[key]?.doubleValue.map { "\(decimal($0)) ms" } ?? "-"
    }

    private static func decimal(_ value: Double) -> String {
        value >= 100 ? "\(Int64(clampedTo: value.rounded()))" : "\((value * 10).rounded() / 10)"
    }

    private static func age(_ milliseconds: Int) -> String {
        let seconds = milliseconds / 1_000
        if seconds < 60 { return decimal(Double(milliseconds) / 1_000) + " s" }
        if seconds < 3_600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return seconds < 86_400
            ? "\(seconds / 3_600) h \(seconds / 60 % 60) min" : "\(seconds / 86_400) d \(seconds / 3_600 % 24) h"
    }
}
