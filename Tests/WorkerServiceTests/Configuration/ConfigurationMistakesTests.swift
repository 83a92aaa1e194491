import Foundation
import Testing

@testable import WorkerService

@Suite struct ConfigurationMistakesTests {
    /// A text, and for each mistake the beginning of `LINE: KEY: ` and a piece of its message.
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var expected: [(place: String, message: String)]
        var testDescription: String { text }

        init(_ text: String, _ expected: (place: String, message: String)...) {
            self.text = text
            self.expected = expected
        }
    }

    static let cases: [Case] = [
        // Routes.
        Case(
            "[models.a]\nfallbacks = [\"b\",\n\"a\"]\n[models.b]\nfallbacks = [\"c\"]\n[models.c]\nfallbacks = [\"a\"]\n[gateways.g]\nurl = \"wss://g\"",
            ("2: models.a.fallbacks[0]: ", "leads back to where it begins: a -> b -> c -> a"),
            ("3: models.a.fallbacks[1]: ", "a -> a"), ("5: models.b.fallbacks[0]: ", "b -> c -> a -> b"),
            ("7: models.c.fallbacks[0]: ", "c -> a -> b -> c")),
        Case(
            "[gateways.g]\nurl = \"wss://g\"\n[models.gpt]\nfallbacks = [\"gtp\"]\n[profiles.p]\nmodel = \"gpt\"\nfallbacks = [\"gpt\", \"x\"]",
            ("4: models.gpt.fallbacks[0]: ", "did you mean `gpt`"),
            ("7: profiles.p.fallbacks[1]: ", "there is no [models.x]"),
            ("7: profiles.p.fallbacks[0]: ", "is the profile's own model")),
        Case(
            "[gateways.g]\nurl = \"wss://g\"\n[models.a]\nfallback_on = [\"unavailble\"]",
            ("4: models.a.fallback_on[0]: ", "did you mean `unavailable`")),
        Case(
            "[gateways.g]\nurl = \"wss://g\"\nmin_idle = 65\ncool_down = \"10m\"\n",
            ("3: gateways.g.min_idle: ", "is over max_idle (64)"),
            ("4: gateways.g.cool_down: ", "is longer than cool_down_most")),
        Case(
            "[gateways.g]\nurl = \"wss://g\"\n[gateways.g.errors]\ncontext_to_long = [\"x\"]\noverloaded = [\"\"]",
            ("4: gateways.g.errors.context_to_long: ", "did you mean `context_too_long`"),
            ("5: gateways.g.errors.overloaded[0]: ", "is empty")),
        // Syntax.
        Case("[broker\nurl = 1", ("1: ", "Error while parsing")),
        Case("[broker]\nurl = ", ("2: ", "Error while parsing")),
        Case("a = 1\u{0}", ("1: ", "NUL")),
        Case("[jobs]\nconcurrency = 1\nconcurrency = 2", ("3: ", "redefine")),
        Case("[broker]\n[=]", ("2: ", "a table's name is")),
        Case("\n[[#x]]", ("2: ", "a table's name is")),
        Case("[\n]", ("1: ", "a table's name is")),
        Case("[ 키 ]", ("1: ", "a table's name is")),
        Case("[jobs]\nconcurrency = \n[=]", ("2: ", "Error while parsing")),
        Case("[broker]\nhosts = [\n  }", ("3: ", "expected a value or ]")),
        Case("[broker]\nhosts = [\u{85}", ("2: ", "expected a value or ]")),
        Case("\u{FEFF}[=]", ("1: ", "a table's name is")),
        Case("[]", ("1: ", "blank bare keys")),
        Case("[", ("1: ", "Error while parsing")),
        // Unknown keys.
        Case("[brokers]\n", ("1: brokers: ", "did you mean `broker`")),
        Case("[broker]\n\nhearbeat = \"1s\"", ("3: broker.hearbeat: ", "did you mean `heartbeat`")),
        Case("[jobs]\nheartbeat = \"10s\"", ("2: jobs.heartbeat: ", "belongs into [broker]")),
        Case("concurrency = 1", ("1: concurrency: ", "belongs into [jobs]")),
        Case("[jobs]\nzzzzzz = 1", ("2: jobs.zzzzzz: ", "known here: max_bytes")),
        Case("broker.hartbeat = \"1s\"", ("1: broker.hartbeat: ", "did you mean")),
        // Types.
        Case("broker = 1", ("1: broker: ", "must be a table")),
        Case("[jobs]\nconcurrency = \"10\"", ("2: jobs.concurrency: ", "without quotes, not a text")),
        Case("[jobs]\nconcurrency = 1.5", ("2: jobs.concurrency: ", "an integer")),
        Case("[jobs]\npriorities = 1", ("2: jobs.priorities: ", "true or false")),
        Case("[broker]\nhosts = \"a\"", ("2: broker.hosts: ", "must be a list")),
        Case("[broker]\nurl = 1979-05-27", ("2: broker.url: ", "not a date")),
        Case("[broker]\nheartbeat = 10", ("2: broker.heartbeat: ", "has no unit: 10 of what?")),
        Case("[broker]\nheartbeat = \"10\"", ("2: broker.heartbeat: ", "is not a duration")),
        Case("[webhooks]\njitter = \"x\"", ("2: webhooks.jitter: ", "must be a number")),
        // Ranges.
        Case("[broker]\nheartbeat = \"2m\"", ("2: broker.heartbeat: ", "must be 1s to 1m, not 2m")),
        Case("[jobs]\nconcurrency = 0", ("2: jobs.concurrency: ", "must be 1 to 60000, not 0")),
        Case("[jobs]\nmax_bytes = \"1GiB\"", ("2: jobs.max_bytes: ", "must be 1KiB to 128MiB, not 1GiB")),
        Case("[jobs]\nmax_bytes = \"1MB\"", ("2: jobs.max_bytes: ", "is not a size")),
        Case("[webhooks]\njitter = 1.5", ("2: webhooks.jitter: ", "must be 0 to 1, not 1.5")),
        Case("[webhooks]\njitter = nan", ("2: webhooks.jitter: ", "must be 0 to 1")),
        Case("[webhooks]\nschedule = []", ("2: webhooks.schedule: ", "at least 1")),
        Case(
            "[webhooks]\nschedule = [\n\"0s\",\n\"5x\",\n7,\n]",
            ("4: webhooks.schedule[1]: ", "is not a duration"), ("5: webhooks.schedule[2]: ", "has no unit")),
        Case("[worker]\nlog_level = \"inf\"", ("2: worker.log_level: ", "did you mean `info`")),
        Case("[customers]\nfrom = \"user_id\"", ("2: customers.from: ", "\"user-id\"")),
        Case("[broker]\nprefix = \"a b\"", ("2: broker.prefix: ", "must have")),
        Case("[broker]\nca_file = \"ca.pem\"", ("2: broker.ca_file: ", "absolute path")),
        Case("[webhooks]\nallow_networks = [\"10.0.0.1/8\"]", ("2: webhooks.allow_networks[0]: ", "is not a network")),
        Case("[webhooks]\nallow_http_hosts = [\"a:80\"]", ("2: webhooks.allow_http_hosts[0]: ", "without a port")),
        // Secrets in the file.
        Case("[broker]\npassword = \"canary\"", ("2: broker.password: ", "name that file with `password_file`")),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\napi_key = \"sk-canary\"", ("3: gateways.a.api_key: ", "`key_file`")
        ),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\nkey_file = \"sk-canary\"",
            ("3: gateways.a.key_file: ", "the secret itself")),
        Case("[webhooks]\nsecret = \"whsec_canary\"", ("2: webhooks.secret: ", "`secret_files`")),
        Case("[webhooks]\nsecret_files = [\"whsec_canary\"]", ("2: webhooks.secret_files[0]: ", "the secret itself")),
        Case("[broker]\nurl = \"amqp://u:canary@host\"", ("2: broker.url: ", "a password does not stand in a URL")),
        Case("[broker]\npassword_file = \"../x\"", ("2: broker.password_file: ", "CREDENTIALS_DIRECTORY")),
        Case(
            "[webhooks]\nsecret_files = [\"s\"]\n[webhooks.endpoints.e]\nurl = \"https://u:canary@host/\"",
            ("4: webhooks.endpoints.e.url: ", "`Authorization: Basic ...` into the file of headers_file")),
        Case(
            "[webhooks]\nsecret_files = [\"s\"]\n[webhooks.endpoints.e]\nurl = \"https://canary@host/\"",
            ("4: webhooks.endpoints.e.url: ", "takes no user; every post is signed instead")),
        Case(
            "[webhooks]\nproxy = \"http://u:canary@host:3128\"",
            ("2: webhooks.proxy: ", "into the file of webhooks.proxy_credentials_file")),
        Case(
            "[gateways.a]\nurl = \"https://u:canary@host\"",
            ("2: gateways.a.url: ", "put the key into a file and name that with key_file")),
        Case(
            "[tracing]\nendpoint = \"https://u:canary@host/v1/traces\"",
            ("2: tracing.endpoint: ", "into the file of tracing.headers_file")),
        // Names.
        Case("[gateways]\nurl = \"ws://a\"", ("2: gateways.url: ", "outside of any [gateways.NAME]")),
        Case("[gateways.\"a b\"]\nurl = \"ws://localhost\"", ("1: gateways.\"a b\": ", "a name here has")),
        Case(
            "[webhooks.customers.\"a.b\"]\nsecret_files = [\"x\"]",
            ("1: webhooks.customers.\"a.b\": ", "a name here has")),
        // Required keys.
        Case("\n[gateways.a]\ntransport = \"websocket\"", ("2: gateways.a.url: ", "is missing; write url =")),
        Case("[webhooks.customers.acme]", ("1: webhooks.customers.acme.secret_files: ", "is missing")),
        // Rules between keys.
        Case(
            "[gateways.a]\nurl = \"wss://a\"\ntransport = \"sse\"",
            ("3: gateways.a.transport: ", "`sse` needs a url with https:// or http://, not wss://")),
        Case(
            "[gateways.a]\nurl = \"https://a\"\ntransport = \"websocket\"",
            ("3: gateways.a.transport: ", "`websocket` needs a url with wss:// or ws://, not https://")),
        Case(
            "[gateways.a]\nurl = \"https://a\"\nkey_file = \"\"\nkey_env = \"KEY\"",
            ("4: gateways.a.key_env: ", "is never asked")),
        Case(
            "[gateways.a]\nurl = \"https://a\"\nkey_header = \"Content-Type\"",
            ("3: gateways.a.key_header: ", "must be the name of a header that is not taken, as api-key")),
        Case("[gateways.a]\nurl = \"https://a\"\nkey_header = \"api key\"", ("3: gateways.a.key_header: ", "api-key")),
        Case(
            "[gateways.a]\nurl = \"wss://a\"\nproxy_credentials_file = \"p\"",
            ("3: gateways.a.proxy_credentials_file: ", "needs proxy beside it")),
        Case(
            "[gateways.a]\nurl = \"wss://a\"\nproxy = \"http://u:p@proxy\"",
            ("3: gateways.a.proxy: ", "put the line user:password into a file")),
        Case(
            "[gateways.a]\nurl = \"wss://a\"\nproxy = \"https://proxy\"",
            ("3: gateways.a.proxy: ", "must begin with http://")),
        Case(
            "[gateways.a]\nurl = \"wss://a\"\nclient_certificate_file = \"/p\"",
            ("3: gateways.a.client_certificate_file: ", "needs client_key_file beside it")),
        Case(
            "[gateways.a]\nurl = \"wss://a\"\nclient_key_file = \"/p\"",
            ("3: gateways.a.client_key_file: ", "needs client_certificate_file beside it")),
        Case("[gateways.a]\nurl = \"ftp://a\"", ("2: gateways.a.url: ", "https")),
        Case("[gateways.a]\nurl = \"wss://a?b=c&model=m\"", ("2: gateways.a.url: ", "takes no `model` in its query")),
        Case("[gateways.a]\nurl = \"https://a?api_key=sk-x\"", ("2: gateways.a.url: ", "the key stands in key_file")),
        Case("[jobs]\nconcurrency = 40000", ("1: jobs.prefetch_factor: ", "over 65535")),
        Case("[jobs]\ndefault_gateway = \"x\"", ("2: jobs.default_gateway: ", "there is no [gateways.x]")),
        Case(
            "[gateways.main]\nurl = \"ws://localhost\"\n[models.m]\ngateway = \"mian\"",
            ("4: models.m.gateway: ", "did you mean `main`")),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\n[gateways.b]\nurl = \"ws://localhost\"\n[models.m]",
            ("5: models.m.gateway: ", "there are several gateways: a, b")),
        Case("[budgets]\nday = -1", ("2: budgets.day: ", "must be 0 to 1000000000")),
        Case("[budgets]\nweek = 1", ("2: budgets.week: ", "unknown key")),
        Case("[budgets.customers.acme]\nmonth = \"1\"", ("2: budgets.customers.acme.month: ", "without quotes")),
        Case(
            "[broker]\njournal_max_age = \"31d\"\n[budgets.customers.acme]\nmonth = 1",
            ("2: broker.journal_max_age: ", "is under 32d")),
        Case(
            "[broker]\njournal_max_age = \"1d\"\n[budgets]\nday = 0.5",
            ("2: broker.journal_max_age: ", "is under 2d")),
        Case("[models.m]\n", ("1: models.m.gateway: ", "there is no [gateways.NAME]")),
        Case("[profiles.p]\nmodel = \"gpt-4.1\"", ("2: profiles.p.model: ", "there is no [models.\"gpt-4.1\"]")),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\n[models.m]\ninput_price = 1",
            ("4: models.m.input_price: ", "the other price")),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\n[models.m]\ncached_input_price = 1",
            ("4: models.m.cached_input_price: ", "needs input_price and output_price")),
        Case(
            "[gateways.a]\nurl = \"ws://localhost\"\n[models.m]\ncache_write_price = 1",
            ("4: models.m.cache_write_price: ", "needs input_price and output_price")),
        Case(
            "[models.m]\nmax_tokens_name = \"max_output\"\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.max_tokens_name: ", "must be one of \"max_tokens\", \"max_completion_tokens\"")),
        Case(
            "[models.m]\ndrop = [\n\"seed\",\n\"messages\"]\n[gateways.a]\nurl = \"ws://localhost\"",
            ("4: models.m.drop[1]: ", "cannot be left out")),
        Case(
            "[models.m]\ndrop = [\"seed\", \"seed\"]\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.drop[1]: ", "twice")),
        Case(
            "[models.m]\nextra_body = '{\"a\": }'\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.extra_body: ", "is not JSON")),
        Case(
            "[models.m]\nextra_body = '[1]'\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.extra_body: ", "must be a JSON object")),
        Case(
            "[models.m]\nextra_body = 1\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.extra_body: ", "must be a table")),
        Case(
            "[models.m]\nextra_body = '{\"n\": 2}'\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.extra_body.n: ", "cannot be put in here")),
        Case(
            "[models.m.extra_body]\nx = 1\n\nmax_tokens = 5\n[gateways.a]\nurl = \"ws://localhost\"",
            ("4: models.m.extra_body.max_tokens: ", "of a profile can")),
        Case(
            "[models.m.extra_body.a]\nb = [1, inf]\n[gateways.a]\nurl = \"ws://localhost\"",
            ("2: models.m.extra_body.a.b[1]: ", "JSON does not have")),
        Case("[profiles.p]\nextra_body = { at = 2026-01-01 }", ("2: profiles.p.extra_body.at: ", "is a date")),
        Case(
            "[limits]\ntotal_timeout = \"30m\"",
            (
                "2: limits.total_timeout: ",
                "limits.total_timeout (30m) and limits.park_after (5m) are 35m together, and a job may be held for that "
                    + "long; it must be under broker.consumer_timeout (30m)"
            )),
        Case("[limits]\ntotal_timeout = \"25m\"", ("2: limits.total_timeout: ", "raise consumer_timeout here")),
        Case("[limits]\npark_after = \"15m\"", ("2: limits.park_after: ", "are 30m together")),
        Case(
            "[limits]\ntotal_timeout = \"14m\"\npark_after = \"16m\"",
            ("3: limits.park_after: ", "Shorten one of the two")),
        Case(
            "[limits]\ntotal_timeout = \"31m\"\npark_after = \"1s\"", ("2: limits.total_timeout: ", "(31m) and")),
        Case("[broker]\nconsumer_timeout = \"20m\"", ("2: broker.consumer_timeout: ", "are 20m together")),
        Case("[limits]\npark_after = \"0s\"", ("2: limits.park_after: ", "must be 1s to 1d, not 0s")),
        Case("[replies]\ncancel_when_unread = \"yes\"", ("2: replies.cancel_when_unread: ", "true or false")),
        Case(
            "[fairness]\ncustomer_concurrency = -1",
            ("2: fairness.customer_concurrency: ", "must be 0 to 60000, not -1")),
        Case("[fairness]\nweight = 2", ("2: fairness.weight: ", "belongs into [fairness.customers.NAME]")),
        Case(
            "[fairness.customers.acme]\nweight = 0\nconcurrency = 1.5",
            ("2: fairness.customers.acme.weight: ", "must be 1 to 1000, not 0"),
            ("3: fairness.customers.acme.concurrency: ", "an integer")),
        Case("[fairness.customers.acme]\nweight = 1001", ("2: fairness.customers.acme.weight: ", "not 1001")),
        Case("[fairness.customers.\"a.b\"]", ("1: fairness.customers.\"a.b\": ", "a name here has")),
        Case("[retry]\nretries = 21", ("2: retry.retries: ", "must be 0 to 20, not 21")),
        Case("[retry]\nfirst_wait = 1", ("2: retry.first_wait: ", "has no unit")),
        Case("[retry]\nin_worker = \"6m\"", ("2: retry.in_worker: ", "must be 0s to 5m, not 6m")),
        Case("[retry]\nmax_wait = \"0s\"", ("2: retry.max_wait: ", "must be 1s to 7d, not 0s")),
        Case("[retry]\nafter_first_token = \"restrat\"", ("2: retry.after_first_token: ", "did you mean `restart`")),
        Case("[webhooks]\nprefetch = 10", ("2: webhooks.prefetch: ", "under webhooks.concurrency (64)")),
        Case(
            "[webhooks]\nsecret_files = [\"s\"]\n[webhooks.endpoints.e]\nurl = \"http://example.com/\"",
            ("4: webhooks.endpoints.e.url: ", "must be https://")),
        Case(
            "[webhooks.endpoints.e]\nurl = \"https://example.com/\"",
            ("1: webhooks.endpoints.e.secret_files: ", "is missing")),
        Case(
            "[broker]\nurl = \"amqp://a@localhost/x\"\nusername = \"b\"\nvhost = \"y\"",
            ("3: broker.username: ", "another user"), ("4: broker.vhost: ", "another virtual host")),
        Case("[broker]\nclient_key_file = \"/k\"", ("2: broker.client_key_file: ", "client_certificate_file")),
        Case("[broker]\nretry_tiers = [\"5s\",\n\"1s\"]", ("3: broker.retry_tiers[1]: ", "longer than the one before")),
        Case("[broker]\nreconnect_first = \"1m\"", ("2: broker.reconnect_first: ", "longer than reconnect_most")),
        Case(
            "[replies]\ndefault_queue = \"other.{customer}\"", ("2: replies.default_queue: ", "not among replies.allow")
        ),
        Case(
            "[replies]\nallow = [\"chat.reply.{customer}\", \"r.{customer}*\"]",
            ("2: replies.allow[1]: ", "a dot has to stand")),
        Case(
            "[replies]\ndefault_queue = \"\"\ndeclare = \"classic\"", ("3: replies.declare: ", "default_queue is empty")
        ),
    ]

    @Test(arguments: cases) func namesLineAndKey(of example: Case) throws {
        let errors = #expect(throws: ConfigurationErrors.self) {
            try WorkerConfiguration(parsing: example.text, path: "w")
        }
        let lines = try #require(errors).description.split(separator: "\n").map(String.init)
        #expect(lines.count == example.expected.count, "\(lines)")
        for (line, expected) in zip(lines, example.expected) {
            #expect(line.hasPrefix("w:" + expected.place) && line.contains(expected.message), "\(line)")
        }
        #expect(!lines.joined().contains("canary"))
    }

    /// However a place gets deep: the parser would take half a minute for it, or die.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [20_000, 40_000, 400_000] as [Int],
        [("a", ".a", " = 1"), ("[a", ".a", "]"), ("[[a", " . \"b\"", "]]"), ("a = ", "[", ""), ("a = ", "{b=", "1")])
    func whatIsTooDeepIsAMistake(depth: Int, parts: (first: String, more: String, last: String)) throws {
        let deep = parts.first + String(repeating: parts.more, count: depth) + parts.last
        for text in ["[jobs]\nconcurrency = 7\n" + deep, "[jobs]\nconcurrency = 7\n" + deep + "\n[broker]\n"] {
            let errors = #expect(throws: ConfigurationErrors.self) { try WorkerConfiguration(parsing: text) }
            let told = try #require(errors).mistakes
            #expect(told.count == 1 && told[0].line == 3, "\(told)")
            #expect(told[0].message.hasPrefix("a key or value is nested in more than 32 levels"))
        }
    }

    /// Dotted keys, lists and tables count together.
    @Test func whatIsTooDeepInSeveralWays() throws {
        let text = "[a.b.c.d.e.f.g.h]\ni.j.k.l.m.n.o.p = [{ q.r.s.t.u.v.w = [[[[{ x.y.z.aa = [1] }]]]] }]"
        let errors = #expect(throws: ConfigurationErrors.self) { try WorkerConfiguration(parsing: text) }
        #expect(try #require(errors).mistakes.map(\.line) == [2])
    }

    /// As large as a file may be, and full of what is legal or wrong: there is an answer in a time that a person waits.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "[a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a]\n", "[[a]]\n", "a = 1\n", "# comment\n",
            "a = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n", "a.\n",
        ])
    func aLargeFileIsRead(line: String) {
        let text = String(repeating: line, count: (1 << 20) / line.utf8.count)
        _ = try? WorkerConfiguration(parsing: text)
    }

    @Test func namesAllMistakesInTheOrderOfTheFile() throws {
        let text = """
            [worker]
            log_levle = "info"
            [jobs]
            concurrency = "many"
            max_bytes = 5
            [broker]
            heartbeat = 10
            [profiles.p]
            model = "none"
            """
        let errors = #expect(throws: ConfigurationErrors.self) { try WorkerConfiguration(parsing: text) }
        #expect(
            try #require(errors).mistakes.map { "\($0.line ?? 0) \($0.key)" } == [
                "2 worker.log_levle", "4 jobs.concurrency", "5 jobs.max_bytes", "7 broker.heartbeat",
                "9 profiles.p.model",
            ])
        #expect(try #require(errors).description.hasPrefix("worker.conf:2: worker.log_levle: unknown key"))
    }

    @Test func anEmptyFileIsTheDefaults() throws {
        var parsed = try WorkerConfiguration(parsing: "")
        parsed.source = ConfigurationSource()
        var expected = WorkerConfiguration()
        expected.replies.defaultQueue = "chat.reply.{customer}"
        expected.replies.allow = ["chat.reply.{customer}", "chat.reply.{customer}.*"]
        #expect(parsed == expected)
    }

    @Test func fileProblemsAreMistakes() throws {
        let folder = try TemporaryFolder()
        func message(_ path: String) throws -> String {
            let errors = #expect(throws: ConfigurationErrors.self) { try WorkerConfiguration.load(path: path) }
            return try #require(errors).description
        }
        #expect(try message("\(folder.path)/none") == "\(folder.path)/none: there is no such file")
        #expect(try message(folder.path).hasSuffix(": is a directory"))
        var bytes = Data("[jobs]\n# é\n# ".utf8)
        bytes.append(0xFF)
        bytes.append(Data("\n".utf8) + Data(repeating: 0x20, count: 100))
        let file = try folder.write(bytes, to: "latin1")
        #expect(try message(file) == "\(file):3: is not UTF-8")
        let good = try folder.write("[jobs]\nconcurrency = 7\n", to: "good")
        #expect(try WorkerConfiguration.load(path: good).jobs.concurrency == 7)
    }

    /// Whatever stands in the file, there is an answer and no trap. `DAMAGED_FILES` asks for more of them.
    @Test func survivesDamagedFiles() {
        let count = Int(ProcessInfo.processInfo.environment["DAMAGED_FILES"] ?? "") ?? 60
        var generator = SystemRandomNumberGenerator()
        let original = Array(WorkerConfiguration.reference.utf8)
        let noise = Array("[]{}=\"'#.,\n\\-0a".utf8)
        for _ in 0..<count {
            var bytes = original
            for _ in 0..<Int.random(in: 1...20, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[index] = noise.randomElement(using: &generator) ?? 0x20
            }
            _ = try? WorkerConfiguration(parsing: String(decoding: bytes, as: UTF8.self))
        }
        let pieces =
            noise.map { String(decoding: [$0], as: UTF8.self) } + [
                "broker", "jobs", "webhooks", "[a]", "[[a]]", "x = ", "\"\"\"", "'''", "\\u0000", "\\U0001F600", "é",
                "\r\n",
                "1979-05-27T07:32:00Z", "inf", "0x", "1_0", "\t", " ", "true", "{a=", "\u{0}", "\u{85}", "\u{FEFF}",
                "\u{7F}",
            ]
        for _ in 0..<(count * 50) {
            let text = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }
            _ = try? WorkerConfiguration(parsing: text.joined())
        }
    }
}
