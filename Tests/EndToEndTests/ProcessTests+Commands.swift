import AMQP
import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Every command but `run` and `simulate`: what it prints and how it ends.
    @Suite(.serialized) struct Commands {
        // MARK: Usage

        @Test(arguments: [
            ["no-such-command"], ["run", "--no-such-option"], ["send"], ["send", "x", "--priority", "urgent"],
            ["send", "x", "--timeout", "soon"], ["tail"], ["run", "--config"], ["topology", "extra"],
        ])
        func usageErrorsEndWith64(arguments: [String]) async throws {
            let process = try ChildProcess([ChatWorkerBinary.path] + arguments)
            #expect(try await process.exitCode() == 64)
            #expect(process.errors.contains { $0.hasPrefix("Error: ") })
            #expect(process.output.isEmpty)
        }

        @Test(arguments: [
            "run", "check", "topology", "send", "tail", "simulate gateway", "simulate webhook", "version",
        ])
        func helpShowsAnExample(command: String) async throws {
            let words = command.split(separator: " ").map(String.init)
            let process = try ChildProcess([ChatWorkerBinary.path] + words + ["--help"])
            #expect(try await process.exitCode() == 0)
            #expect(process.output.contains { $0.hasPrefix("  chat-worker \(command)") })
        }

        @Test func version() async throws {
            let text = try await ChatWorkerBinary.run("version")
            #expect(text.exitCode == 0 && text.output.hasPrefix("chat-worker "))
            let json = try JSONValue(parsing: try await ChatWorkerBinary.run("version", "--json").output.utf8)
            #expect(json["name"]?.stringValue == "chat-worker")
            #expect(text.output == "chat-worker \(json["version"]?.stringValue ?? "")")
            #expect(try await ChatWorkerBinary.run("--version").output == json["version"]?.stringValue)
        }

        // MARK: check, and run with a configuration that is wrong

        private static let broken = """
            [broker]
            url = "http://127.0.0.1"
            prefetch = 5

            [jobs]
            concurrency = "many"

            [gateways.main]
            url = "wss://gateway.example.com/v1"
            key_file = "FOLDER/wrong-key"

            [models.gpt]
            gateway = "other"

            [webhooks]
            secret_files = ["FOLDER/wrong-secret"]

            [worker]
            log_level = "loud"
            """
        private static let mistakes: [(line: Int, key: String)] = [
            (2, "broker.url"), (3, "broker.prefetch"), (6, "jobs.concurrency"), (10, "gateways.main.key_file"),
            (13, "models.gpt.gateway"), (16, "webhooks.secret_files[0]"), (19, "worker.log_level"),
        ]

        private static func withBrokenFile(_ body: (String) async throws -> Void) async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "chat-worker-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let text = broken.replacing("FOLDER", with: folder.path)
            let file = folder.appending(path: "worker.conf")
            try Data(text.utf8).write(to: file)
            for name in ["wrong-key", "wrong-secret"] {
                try Data("SECRETCANARY\n".utf8).write(to: folder.appending(path: name))
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o600], ofItemAtPath: folder.appending(path: name).path)
            }
            try await body(file.path)
        }

        @Test func everyMistakeIsToldAtOnce() async throws {
            try await Self.withBrokenFile { file in
                let check = try await ChatWorkerBinary.run("check", "--config", file)
                #expect(check.exitCode == 78)
                for mistake in Self.mistakes {
                    #expect(check.output.contains("\(file):\(mistake.line): \(mistake.key): "), "\(check.output)")
                }
                #expect(check.output.contains("\(file): \(Self.mistakes.count) mistakes"))
                #expect(!check.all.contains("SECRETCANARY"))

                let run = try await ChatWorkerBinary.run("run", "--config", file)
                #expect(run.exitCode == 78)
                let told = check.output.split(separator: "\n").filter { $0.hasPrefix("\(file):") && $0.contains(": ") }
                    .filter { !$0.hasSuffix("mistakes") }
                #expect(run.errors.split(separator: "\n") == told, "the same list")

                let json = try await ChatWorkerBinary.run("check", "--json", "--config", file)
                #expect(json.exitCode == 78)
                let listed = try JSONValue(parsing: json.output.utf8)["mistakes"]?.arrayValue ?? []
                #expect(listed.compactMap { $0["key"]?.stringValue } == Self.mistakes.map(\.key))
                #expect(listed.compactMap { $0["line"]?.integerValue } == Self.mistakes.map { Int($0.line) })
                #expect(listed.allSatisfy { $0["severity"]?.stringValue == "error" })
                #expect(!json.all.contains("SECRETCANARY"))
                for command in ["topology", "send", "tail"] {
                    let arguments = [command] + (command == "topology" ? [] : ["x"]) + ["--config", file]
                    let process = try ChildProcess([ChatWorkerBinary.path] + arguments)
                    #expect(try await process.exitCode() == 78)
                }
            }
        }

        @Test func aMissingFileIsAMistakeToo() async throws {
            for command in ["check", "run"] {
                let result = try await ChatWorkerBinary.run(command, "--config", "/nowhere/worker.conf")
                #expect(result.exitCode == 78)
                #expect(result.all.contains("/nowhere/worker.conf: there is no such file"))
            }
        }

        @Test func aUselessCertificateFileEndsWith78() async throws {
            try await ProcessStage.run(configure: { files, _ in
                files.gatewayURL = files.gatewayURL.replacing("ws://", with: "wss://")
                files.gateway = "ca_file = \"CAFILE\""
            }) { stage in
                let ca = try stage.files.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", to: "ca")
                let text = try String(contentsOfFile: stage.files.configuration, encoding: .utf8)
                try stage.files.write(text.replacing("CAFILE", with: ca), to: "worker.conf")
                let worker = try stage.startWorker()
                #expect(try await worker.process.exitCode() == 78, "\(worker.process.errors)")
            }
        }

        @Test func checkSaysWhatItReaches() async throws {
            try await ProcessStage.run { stage in
                let good = try await stage.command("check")
                #expect(good.exitCode == 0, "\(good.all)")
                #expect(good.output.contains("worker.conf: good"))
                #expect(good.output.contains("ok     broker amqp://127.0.0.1:"))
                #expect(good.output.contains("ok     gateway main ws://127.0.0.1:"))
                let json = try JSONValue(parsing: try await stage.command("check", "--json").output.utf8)
                #expect(json["reached"]?.arrayValue?.count == 2)
                #expect(json["reached"]?.arrayValue?.allSatisfy { $0["reachable"] == .bool(true) } == true)
            }
        }

        @Test(arguments: [false, true])
        func checkTriesEveryKey(overHTTP: Bool) async throws {
            try await ProcessStage.run(configure: { files, deployment in
                if overHTTP { files.gatewayURL = "http://127.0.0.1:\(deployment.gateway.port)/v1" }
                files.gateway = "key_files = [\"FOLDER/second\", \"FOLDER/third\"]"
            }) { stage in
                let files = stage.files
                let text = try String(contentsOfFile: files.configuration, encoding: .utf8)
                try files.write(text.replacing("FOLDER", with: files.folder), to: "worker.conf")
                try files.write("sk-WRONGCANARY", to: "second")
                try files.write("sk-test", to: "third")
                let check = try await stage.command("check")
                #expect(check.exitCode == 69, "\(check.all)")
                let lines = check.output.split(separator: "\n").filter { $0.contains(" gateway main ") }
                #expect(lines.count == 3 && lines.map { $0.hasPrefix("ok ") } == [true, false, true], "\(lines)")
                #expect(lines.first?.contains("4 models: gpt-4.1, ") == true)
                #expect(lines.first?.contains(" ms;") == true)
                #expect(check.output.contains("put a valid key of this gateway into \(files.folder)/second"))
                #expect(!check.all.contains("CANARY"))
                let json = try JSONValue(parsing: try await stage.command("check", "--json").output.utf8)
                let reached = try #require(json["reached"]?.arrayValue).dropFirst()
                #expect(reached.map { $0["reachable"] == .bool(true) } == [true, false, true])
                #expect(
                    reached.map { $0["key_file"]?.stringValue }
                        == ["api-key", "second", "third"].map { "\(files.folder)/\($0)" })
                #expect(reached.allSatisfy { ($0["latency_ms"]?.integerValue ?? -1) >= 0 })
                #expect(reached.first?["models"]?.arrayValue?.count == 4)
                #expect(reached.first?["advice"] == nil && reached.dropFirst().first?["advice"] != nil)
            }
        }

        @Test func checkEndsWith69WhereTheGatewayIsDown() async throws {
            try await ProcessStage.run(configure: { files, _ in files.gatewayURL = "ws://127.0.0.1:1/v1" }) { stage in
                let check = try await stage.command("check")
                #expect(check.exitCode == 69)
                #expect(check.output.contains("FAILED gateway main ws://127.0.0.1:1: "))
                #expect(check.output.contains("ok     broker "))
                #expect(try await stage.command("check", "--offline").exitCode == 0)
            }
        }

        // MARK: Without a broker

        @Test func aBrokerThatIsDownEndsWith69() async throws {
            try await ProcessStage.run { stage in
                let url = stage.deployment.workerSettings().brokerURL
                let text = try String(contentsOfFile: stage.files.configuration, encoding: .utf8)
                try stage.files.write(text.replacing(url, with: "amqp://127.0.0.1:1"), to: "worker.conf")
                for arguments in [
                    ["check"], ["send", "x"], ["tail", "acme", "--take"], ["topology", "--declare"],
                ] {
                    let process = try ChildProcess(
                        [ChatWorkerBinary.path] + arguments + ["--config", stage.files.configuration])
                    #expect(try await process.exitCode() == 69, "\(arguments)")
                    let said = (process.output + process.errors).joined(separator: "\n")
                    #expect(said.contains("127.0.0.1:1"), "\(arguments): \(said)")
                }
                #expect(try await stage.command("topology", "--print").exitCode == 0, "needs no broker")
            }
        }

        // MARK: topology

        @Test func topologyIsPrintedAndDeclared() async throws {
            try await ProcessStage.run { stage in
                let names = stage.deployment.names
                let text = try await stage.command("topology")
                #expect(text.exitCode == 0)
                for queue in [names.jobs, names.suspect, names.failed, names.webhooks, names.dead] {
                    #expect(text.output.contains("queue     \(queue)  x-queue-type=quorum"), "\(text.output)")
                }
                #expect(text.output.contains("exchange  \(names.intake)  direct"))
                #expect(text.output.contains("binding   \(names.intake) --jobs--> \(names.jobs)"))
                #expect(try await stage.command("topology", "--print").output == text.output)

                let json = try JSONValue(parsing: try await stage.command("topology", "--json").output.utf8)
                let queues = json["queues"]?.arrayValue ?? []
                let declared = try await stage.command("topology", "--declare")
                #expect(declared.exitCode == 0)
                #expect(declared.output.hasSuffix(", \(queues.count) queues"))
                #expect(try await stage.command("topology", "--declare").exitCode == 0, "changes nothing")
                let amqp = stage.deployment.amqp
                let wanted = queues.compactMap { $0["name"]?.stringValue }
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    for queue in wanted { _ = try session.inspectQueue(queue) }
                }
                #expect(queues.contains { $0["arguments"]?["x-delivery-limit"]?.integerValue == 50 })
            }
        }

        @Test func aWorkerNeedsNoMoreThanThePermissionsThatArePrinted() async throws {
            let user = uniqueName("least")
            try await ProcessStage.run(
                configure: { files, deployment in
                    files.brokerUser = user
                    files.replies = "declare = \"classic\""
                    let (broker, password) = (deployment.broker, files.brokerPassword)
                    try await onOwnThread { _ = try broker.control("add_user", user, password) }
                }
            ) { stage in
                let broker = stage.deployment.broker
                let line = try await stage.command("topology", "--permissions")
                #expect(line.output.hasPrefix("rabbitmqctl set_permissions -p '/' '\(user)' '^"))
                let said = try JSONValue(
                    parsing: try await stage.command("topology", "--permissions", "--json").output.utf8)
                let expressions = try ["configure", "write", "read"].map { try #require(said[$0]?.stringValue) }
                for expression in expressions { #expect(line.output.contains("'\(expression)'")) }
                try await onOwnThread {
                    _ = try broker.control("set_permissions", user, expressions[0], expressions[1], expressions[2])
                }
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("one", customer: "newcomer")])
                for await hook in stage.deployment.receiver.deliveries where hook.job == "one" {
                    #expect(hook.type == "chat.completion.completed")
                    break
                }
                let (amqp, queue) = (stage.deployment.amqp, "\(stage.deployment.prefix).reply.newcomer")
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    #expect(try session.inspectQueue(queue).messageCount > 1)
                    try session.deleteQueue(queue)
                    _ = try broker.control("delete_user", user)
                }
                #expect(try await worker.terminate() == 0)
            }
        }

        /// `send` with exactly what is printed for a worker, and for a backend.
        @Test func sendNeedsNoMoreThanThePermissionsThatArePrinted() async throws {
            let (user, sender) = (uniqueName("worker"), uniqueName("sender"))
            try await ProcessStage.run(
                configure: { files, deployment in
                    files.brokerUser = user
                    let (broker, password) = (deployment.broker, files.brokerPassword)
                    try await onOwnThread {
                        for name in [user, sender] { try broker.control("add_user", name, password) }
                    }
                }
            ) { stage in
                let broker = stage.deployment.broker
                let said = try JSONValue(
                    parsing: try await stage.command("topology", "--permissions", "--json").output.utf8)
                func set(_ user: String, _ value: JSONValue?) async throws {
                    let expressions = try ["configure", "write", "read"].map { try #require(value?[$0]?.stringValue) }
                    try await onOwnThread {
                        _ = try broker.control("set_permissions", user, expressions[0], expressions[1], expressions[2])
                    }
                }
                try await set(user, said)
                let worker = try await stage.startReadyWorker()
                let answer = try await stage.command("send", "--json", "--timeout", "20s", "as a worker")
                #expect(answer.exitCode == 0, "\(answer.all)")
                #expect(answer.output.contains("\"chat.completion\""))

                // Nothing but the right to send.
                try stage.files.replace(["username = \"\(user)\"": "username = \"\(sender)\""])
                try await set(sender, said["backend"])
                let text = try await stage.command("topology", "--permissions")
                #expect(text.output.contains("# rabbitmqctl set_permissions -p '/' 'backend' '^$' '^"))
                let small = try await stage.command("send", "--json", "--timeout", "20s", "as a backend")
                #expect(small.output.contains("\"chat.completion\""), "\(small.all)")

                // Nothing at all, and no way for the answer: told with what would help.
                try await onOwnThread { _ = try broker.control("set_permissions", sender, "^$", "^$", "^$") }
                let refused = try await stage.command("send", "nothing")
                #expect(refused.exitCode == 69)
                #expect(refused.errors.contains("may not publish to the exchange \(stage.deployment.names.intake)"))
                #expect(
                    refused.errors.contains("rabbitmqctl set_permissions -p '/' 'backend' '^$'"), "\(refused.errors)")
                try stage.files.replace(["[replies]": "[replies]\ndirect_reply_to = false"])
                let unread = try await stage.command("send", "nothing")
                #expect(unread.exitCode == 69)
                #expect(unread.errors.contains("may not declare the reply queue"), "\(unread.errors)")
                #expect(
                    unread.errors.contains("'^\(stage.deployment.prefix.replacing(".", with: #"\."#))\\.reply\\..*$'"))
                let cancel = try await stage.command("cancel", "job", "--customer", "acme")
                #expect(cancel.exitCode == 69 && cancel.errors.contains("topology --permissions"), "\(cancel.errors)")
                #expect(try await worker.terminate() == 0)
                try await onOwnThread { for name in [user, sender] { try broker.control("delete_user", name) } }
            }
        }

        @Test func topologyTellsWhatDiffersAndChangesNothing() async throws {
            try await ProcessStage.run { stage in
                let names = stage.deployment.names
                let amqp = stage.deployment.amqp
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "vandal")
                    defer { session.close() }
                    try session.deleteQueue(names.suspect)
                    try session.deleteQueue(names.failed)
                    try session.declareQueue(
                        names.failed, durable: true,
                        arguments: ["x-queue-type": .string("quorum"), "x-delivery-limit": .int(7)])
                }
                let told = try await stage.command("topology", "--print")
                #expect(told.exitCode == 0)
                let line = { (name: String) in
                    told.output.split(separator: "\n").first { $0.hasPrefix("queue     \(name)  ") }
                }
                #expect(line(names.jobs)?.hasSuffix("(there)") == true, "\(told.output)")
                #expect(line(names.suspect)?.hasSuffix("(missing)") == true)
                #expect(line(names.failed)?.hasSuffix("(DIFFERENT)") == true)
                #expect(told.errors.contains("x-delivery-limit"))
                #expect(told.errors.contains("rabbitmqctl delete_queue \(names.failed) --if-empty"))
                let json = try JSONValue(parsing: try await stage.command("topology", "--json").output.utf8)
                #expect(json["broker"]?["version"]?.stringValue?.isEmpty == false)

                let refused = try await stage.command("topology", "--declare")
                #expect(refused.exitCode == 69)
                #expect(refused.errors.contains("nothing was declared"))
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    #expect(throws: AMQPError.self) { try session.inspectQueue(names.suspect) }
                    try session.deleteQueue(names.failed)
                }
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
            }
        }

        // MARK: send

        @Test func sendShowsTheAnswer() async throws {
            var settings = Deployment.Settings()
            settings.gateway.echoesPrompt = true
            settings.gateway.tokensPerSecond = 100
            try await ProcessStage.run(settings) { stage in
                let worker = try await stage.startReadyWorker()
                let text = try await stage.command("send", "--job", "shown", "The echo of this.")
                #expect(text.exitCode == 0, "\(text.all)")
                #expect(text.output.contains("job shown of demo is queued\n"))
                #expect(text.output.contains("The echo of this."))
                #expect(text.output.contains("-- gpt-4.1, stop: first token after "))

                let json = try await stage.command(
                    "send", "--json", "--customer", "acme", "--model", "gpt-4.1", "--webhook", "receiver", "--priority",
                    "high", "As JSON.")
                #expect(json.exitCode == 0, "\(json.all)")
                let lines = try json.output.split(separator: "\n").map { try JSONValue(parsing: $0.utf8) }
                #expect(
                    lines.count > 1
                        && lines.dropLast().allSatisfy { $0["type"]?.stringValue == "chat.completion.chunk" })
                let last = try #require(lines.last)
                #expect(last["type"]?.stringValue == "chat.completion")
                #expect(last["headers"]?["x-customer"]?.stringValue == "acme")
                let message = last["body"]?["choices"]?.arrayValue?.first?["message"]
                #expect(message?["content"]?.stringValue == "As JSON.")
                let hook = try await MainJobTests.firstWebhook(stage.deployment)
                #expect(hook.verification == .verified)

                let refused = try await stage.command("send", "--model", "no-such-model", "x")
                #expect(refused.exitCode == 69)
                #expect(refused.errors.contains("no-such-model") || refused.errors.contains("model"), "\(refused.all)")
                #expect(try await worker.terminate() == 0)
            }
        }

        @Test func sendWithoutAWorkerGivesUp() async throws {
            try await ProcessStage.run { stage in
                let unbound = try await stage.command("send", "--timeout", "1s", "x")
                #expect(unbound.exitCode == 69)
                #expect(unbound.errors.contains("topology --declare"), "\(unbound.all)")
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                let waiting = try await stage.command("send", "--timeout", "1s", "x")
                #expect(waiting.exitCode == 69)
                #expect(waiting.errors.contains("no reply for 1s"))
                #expect(waiting.errors.contains("is a worker running?"))
                let json = try await stage.command("send", "--json", "--timeout", "1s", "x")
                #expect(json.exitCode == 69 && json.output.isEmpty)
                #expect(try await stage.deployment.takeAll(stage.deployment.names.jobs, atLeast: 2).count == 2)
            }
        }

        // MARK: tail

        @Test func tailTakesOnlyWhenTold() async throws {
            var settings = Deployment.Settings()
            settings.gateway.echoesPrompt = true
            settings.gateway.tokensPerSecond = 20  // the pieces of two jobs come mixed
            try await ProcessStage.run(settings, configure: { files, _ in files.replies = "declare = \"classic\"" }) {
                stage in
                let refused = try await stage.command("tail", "acme")
                #expect(refused.exitCode == 64)
                #expect(refused.errors.contains("--take"))
                let missing = try await stage.command("tail", "acme", "--take", "--timeout", "1s")
                #expect(missing.exitCode == 69, "no such queue yet: \(missing.all)")
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("one"), TestJob("two")])
                for await hook in stage.deployment.receiver.deliveries where hook.job == "two" { break }
                let taken = try await stage.command("tail", "acme", "--take", "--timeout", "1s")
                #expect(taken.exitCode == 0, "\(taken.all)")
                let shown = Self.texts(inTail: taken.output)
                #expect(shown["one"]?.contains("question of one") == true, "\(taken.all)")
                #expect(shown["two"]?.contains("question of two") == true, "\(taken.all)")
                #expect(shown.count == 2)
                #expect(try await worker.terminate() == 0)
            }
        }

        /// What `tail` shows of each job, pieces joined; `-- ` lines left out.
        private static func texts(inTail output: String) -> [String: String] {
            var texts: [String: String] = [:]
            var current = ""
            for line in output.split(separator: "\n") {
                if line.hasPrefix("== ") {
                    current = String(line.dropFirst(3))
                } else if !line.hasPrefix("-- ") {
                    texts[current, default: ""] += line
                }
            }
            return texts
        }

        @Test func tailFollowsAReplyExchange() async throws {
            let exchange = uniqueName("replies")
            var settings = Deployment.Settings()
            settings.gateway.echoesPrompt = true
            settings.replyExchange = exchange
            try await ProcessStage.run(
                settings, configure: { files, _ in files.replies = "exchange = \"\(exchange)\"" }
            ) {
                stage in
                let worker = try await stage.startReadyWorker()
                let tail = try ChildProcess([
                    ChatWorkerBinary.path, "tail", "acme", "--json", "--timeout", "20s", "--config",
                    stage.files.configuration,
                ])
                // It says nothing before the first reply: jobs are sent until it has seen one.
                for number in 1...100 where tail.output.isEmpty {
                    try await stage.deployment.enqueue([
                        TestJob("a-\(number)"), TestJob("b-\(number)", customer: "other"),
                    ])
                    try? await tail.log.wait("a reply", timeout: .milliseconds(300)) { !$0.isEmpty }
                }
                await tail.kill()
                let lines = try tail.output.map { try JSONValue(parsing: $0.utf8) }
                #expect(!lines.isEmpty)
                #expect(lines.allSatisfy { $0["headers"]?["x-customer"]?.stringValue == "acme" })
                #expect(try await worker.terminate() == 0)
            }
        }
    }
}
