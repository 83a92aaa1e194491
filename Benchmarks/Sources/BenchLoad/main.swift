import Glibc

// The load of the benchmark, and its judge: enqueues jobs, reads their replies, and says what came, how late and what is
// wrong. Also the limit that the worker is compared with. `scripts/bench` runs it.

/// What the program was called with.
struct Arguments {
    private static let usage = """
        usage: bench-load jobs PORT PREFIX JOBS TOKENS CUSTOMERS [--warm JOBS] [--webhook NAME] [--deaf]
                        [--patience SECONDS] [--pace JOBS-PER-SECOND | --surge RATE,FACTOR,BEFORE,DURING,AFTER]
                        with --surge JOBS is not looked at: a second has RATE jobs, for DURING seconds FACTOR times as many
               bench-load gateway HOST TOKENS-PER-SECOND
               bench-load limit-publish PORT MESSAGES
               bench-load limit-latency PORT MESSAGES-PER-SECOND SECONDS
               bench-load limit-read URL STREAMS TOKENS
        """

    private var words = Array(CommandLine.arguments.dropFirst())

    mutating func option(_ name: String) -> String? {
        guard let place = words.firstIndex(of: name), place + 1 < words.count else { return nil }
        defer { words.removeSubrange(place...(place + 1)) }
        return words[place + 1]
    }

    mutating func flag(_ name: String) -> Bool {
        guard let place = words.firstIndex(of: name) else { return false }
        words.remove(at: place)
        return true
    }

    mutating func word() -> String {
        guard !words.isEmpty else { stop(Self.usage) }
        return words.removeFirst()
    }

    mutating func number() -> Int {
        guard let number = Int(word()) else { stop(Self.usage) }
        return number
    }

    func refuse() -> Never { stop(Self.usage) }
}

/// At once: whoever waits for the line reads a pipe.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

func run() {
    var arguments = Arguments()
    switch arguments.word() {
    case "limit-publish": say(PublishLimit(port: arguments.number(), messages: arguments.number()).run())
    case "limit-latency":
        let port = arguments.number()
        say(LatencyLimit(port: port, rate: arguments.number(), seconds: arguments.number()).run())
    case "limit-read":
        let url = arguments.word()
        say(ReadLimit(url: url, streams: arguments.number(), tokens: arguments.number()).run())
    case "gateway":
        let host = arguments.word()
        CheapGateway(host: host, rate: Double(arguments.word()) ?? 0).run()
    case "jobs":
        let warm = arguments.option("--warm").flatMap { Int($0) } ?? 0
        let patience = arguments.option("--patience").flatMap { Int($0) } ?? 30
        let rate = arguments.option("--pace").flatMap { Int($0) } ?? 0
        let surge = arguments.option("--surge").map { text in
            guard let surge = Surge(text) else { arguments.refuse() }
            return surge
        }
        let (webhook, isDeaf) = (arguments.option("--webhook"), arguments.flag("--deaf"))
        let pace = surge.map { Pace.surge($0) } ?? (rate > 0 ? .steady(rate) : .none)
        let (port, prefix, jobs) = (arguments.number(), arguments.word(), arguments.number())
        let load = Load(
            port: port, prefix: prefix, count: surge?.count ?? jobs,
            tokens: arguments.number(), customers: arguments.number(), warm: warm, pace: pace, webhook: webhook,
            patience: patience,
            deafCustomer: isDeaf)
        say(load.run())
    default: arguments.refuse()
    }
}

run()
