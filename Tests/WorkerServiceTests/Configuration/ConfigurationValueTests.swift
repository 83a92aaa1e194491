import Testing

@testable import WorkerService

@Suite struct ConfigurationValueTests {
    @Test(
        arguments: [
            ("10s", 10_000), ("500ms", 500), ("2h", 7_200_000), ("1m30s", 90_000), ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
            ("90m", 5_400_000), ("007s", 7_000),
        ] as [(String, Int)])
    func readsDurations(text: String, milliseconds: Int) throws {
        let duration = try DurationText.parse(text)
        #expect(duration == .milliseconds(milliseconds))
        #expect(try DurationText.parse(DurationText.render(duration)) == duration)
    }

    @Test(arguments: [
        "", "10", "s", "10 s", "1.5s", "-1s", "10S", "1s1m", "1s1s", "10sec", "99999999999999999999s",
        "9223372036854775807d",
        "1h-1s", "١s",
    ])
    func refusesOtherDurations(text: String) {
        #expect(throws: ConfigurationValueError.self) { try DurationText.parse(text) }
    }

    @Test(
        arguments: [("1KiB", 1_024), ("64KiB", 65_536), ("1MiB", 1_048_576), ("3GiB", 3_221_225_472)] as [(String, Int)]
    )
    func readsSizes(text: String, size: Int) throws {
        #expect(try SizeText.parse(text) == size)
        #expect(SizeText.render(size) == text)
    }

    @Test(arguments: ["", "1", "MiB", "1MB", "1 MiB", "1.5MiB", "-1KiB", "9999999999999GiB", "1mib"])
    func refusesOtherSizes(text: String) {
        #expect(throws: ConfigurationValueError.self) { try SizeText.parse(text) }
    }

    @Test(
        arguments: [
            ("amqp://localhost", "localhost", nil, nil, ""),
            ("amqps://rabbit.example.com:5671/prod", "rabbit.example.com", 5671, nil, "/prod"),
            ("amqp://chat%2Dworker@[::1]:5672/%2F", "::1", 5672, "chat-worker", "/%2F"),
            ("AMQP://127.0.0.1/", "127.0.0.1", nil, nil, "/"),
        ] as [(String, String, Int?, String?, String)])
    func readsURLs(text: String, host: String, port: Int?, user: String?, path: String) throws {
        let url = try ServiceURL.parse(text, schemes: ["amqp", "amqps"])
        #expect(url.host == host && url.port == port && url.user == user && url.path == path)
        #expect(try ServiceURL.parse(url.description, schemes: ["amqp", "amqps"]) == url)
    }

    @Test(arguments: [
        "", "localhost", "http://localhost", "amqp://", "amqp:///x", "amqp://host:0", "amqp://host:65536",
        "amqp://host:",
        "amqp://host:5672x", "amqp://user:secret-word@host", "amqp://[::1", "amqp://[::1]5672", "amqp://[x]",
        "amqp://ho st",
        "amqp://host\\@other", "amqp://höst", "amqp://host#f", "amqp://%zz@host", "amqp://%FF@host", "amqp://a..b",
        "amqp://-a", "amqp://host\n", "amqp://::1",
    ])
    func refusesOtherURLs(text: String) throws {
        let error = #expect(throws: ConfigurationValueError.self) {
            try ServiceURL.parse(text, schemes: ["amqp", "amqps"])
        }
        #expect(try !#require(error).message.contains("secret-word"))
    }

    @Test(
        arguments: [
            ("localhost", true), ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false), ("127.1", false), ("localhost.example.com", false),
        ] as [(String, Bool)])
    func knowsLoopback(host: String, isLoopback: Bool) {
        #expect(ServiceURL(scheme: "ws", host: host).isLoopback == isLoopback)
    }

    @Test(
        arguments: [
            ("chat.reply.{customer}", true), ("{prefix}.reply.{customer}", true), ("chat.reply.{customer}.*", true),
            ("{customer}.*", true), ("replies", true), ("x.{customer}.y.{customer}", true),
            ("reply:{customer}:*", true),
            ("chat.reply{customer}", false), ("chat.reply.{customer}*", false), ("chat.reply.{customer}2", false),
            ("chat.*.{customer}", false), ("chat.{name}", false), ("chat.{customer", false),
            ("{customer}{customer}", false),
            ("amq.{customer}", false), ("chat.{customer}_x", false), ("{prefix}{customer}", false),
        ] as [(String, Bool)])
    func judgesQueuePatterns(pattern: String, isGood: Bool) {
        let problem = QueuePattern.problem(of: pattern, allowsStar: true)
        #expect((problem == nil) == isGood, "\(problem ?? "good")")
    }

    @Test(
        arguments: [
            ("hearbeat", "heartbeat"), ("concurency", "concurrency"), ("max_byte", "max_bytes"), ("prefetch", nil),
            ("heartbeta", "heartbeat"), ("xyz", nil),
        ] as [(String, String?)])
    func guessesWhatWasMeant(word: String, meant: String?) {
        #expect(Spelling.nearest(to: word, among: ["heartbeat", "concurrency", "max_bytes"]) == meant)
    }

    @Test func countsSwapsAsOne() {
        #expect(Spelling.distance("ab", "ba") == 1)
        #expect(Spelling.distance("", "abc") == 3)
        #expect(Spelling.distance("kitten", "sitting") == 3)
        #expect(Spelling.distance("same", "same") == 0)
    }
}
