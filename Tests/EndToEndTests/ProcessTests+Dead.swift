import AMQP
import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// `cancel` and `dead`, against a broker and, where jobs are to run again, a worker.
    @Suite(.serialized) struct Dead {
        @Test(arguments: [
            ["cancel"], ["cancel", "x"], ["cancel", "a/b", "--customer", "acme"], ["cancel", "x", "--customer", "a b"],
            ["dead", "show"], ["dead", "replay"], ["dead", "replay", "x", "--all"], ["dead", "drop"],
            ["dead", "drop", "--yes"], ["dead", "drop", "--all", "--yes"], ["dead", "drop", "x"],
            ["dead", "list", "--since", "soon"], ["dead", "list", "--kind", "letter"],
            ["dead", "list", "--limit", "0"],
        ])
        func usageErrorsEndWith64(arguments: [String]) async throws {
            let process = try ChildProcess([ChatWorkerBinary.path] + arguments)
            #expect(try await process.exitCode() == 64)
            #expect(process.errors.contains { $0.hasPrefix("Error: ") } && process.output.isEmpty)
        }

        @Test(arguments: ["cancel", "dead list", "dead show", "dead replay", "dead drop"])
        func helpShowsAnExample(command: String) async throws {
            let words = command.split(separator: " ").map(String.init)
            let process = try ChildProcess([ChatWorkerBinary.path] + words + ["--help"])
            #expect(try await process.exitCode() == 0)
            #expect(process.output.contains { $0.hasPrefix("  chat-worker \(command)") })
        }

        // MARK: cancel

        @Test func aCancelIsWrittenAsTheContractSays() async throws {
            try await ProcessStage.run { stage in
                let names = stage.deployment.names
                let early = try await stage.command("cancel", "order-1", "--customer", "acme")
                #expect(early.exitCode == 69 && early.errors.contains("topology --declare"), "\(early.all)")
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                let text = try await stage.command("cancel", "order-1", "--customer", "acme")
                #expect(text.exitCode == 0 && text.output.contains("order-1 of acme is written"), "\(text.all)")
                let json = try await stage.command("cancel", "order-1", "--customer", "acme", "--json")
                #expect(json.output == #"{"id":"order-1","customer":"acme","written":true}"#)

                let amqp = stage.deployment.amqp
                let written = try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    try session.consume(names.control, prefetch: 10, arguments: ["x-stream-offset": .string("first")])
                    return try (1...2).compactMap { _ in try session.receive(timeout: .seconds(10)) }
                }
                #expect(written.count == 2)
                for message in written {
                    let body = try JSONValue(parsing: message.body)
                    #expect(body["id"]?.stringValue == "order-1" && body["customer"]?.stringValue == "acme")
                    let properties = message.properties
                    #expect(properties.type == "cancel" && properties.userID == "guest" && properties.isPersistent)
                    #expect(properties.messageID == "order-1" && properties.contentType == "application/json")
                    let sent = Double(properties.timestamp ?? 0)
                    #expect(abs(sent - Date().timeIntervalSince1970) < 60, "seconds")
                }
                let unbound = try await Self.onSession(stage) { session in
                    try session.deleteQueue(names.control)
                    return true
                }
                #expect(unbound)
                let lost = try await stage.command("cancel", "order-1", "--customer", "acme")
                #expect(lost.exitCode == 69 && lost.errors.contains("topology --declare"), "\(lost.all)")
            }
        }

        // MARK: dead

        @Test func listShowsAndShowTellsWithoutTaking() async throws {
            try await ProcessStage.run { stage in
                let missing = try await stage.command("dead", "list")
                #expect(missing.exitCode == 69 && missing.errors.contains("topology --declare"), "\(missing.all)")
                try await Self.bury(
                    stage,
                    [
                        Self.job("three", deadAt: Self.now),
                        Self.job("one", deadAt: "2026-01-01T00:00:00Z"),
                        Self.job("two", customer: "rival", reason: "invalid_job: There is no model."),
                    ])
                let first = try await stage.command("dead", "list")
                #expect(first.exitCode == 0, "\(first.all)")
                #expect(first.output.split(separator: "\n").count == 4)
                #expect(first.output.contains("2026-01-01T00:00:00.000Z  job   one    acme"), "\(first.output)")
                #expect(try await stage.command("dead", "list").output == first.output, "nothing was taken")

                let choices: [([String], [String])] = [
                    (["--id", "one"], ["one"]), (["--customer", "rival"], ["two"]),
                    (["--reason", "expired"], ["one", "three"]),
                    (["--reason", "no model"], ["two"]), (["--since", "1h"], ["three"]),
                    (["--until", "2026-01-01T00:00:01Z"], ["one"]), (["--kind", "webhook"], []),
                    (["--limit", "1"], ["one"]),
                ]
                for (options, ids) in choices {
                    let process = try ChildProcess(
                        [ChatWorkerBinary.path, "dead", "list", "--json", "--config", stage.files.configuration]
                            + options)
                    #expect(try await process.exitCode() == 0)
                    let found = try process.output.map { try JSONValue(parsing: $0.utf8)["id"]?.stringValue }
                    #expect(found == ids, "\(options)")
                }

                let show = try await stage.command("dead", "show", "two")
                #expect(show.exitCode == 0 && show.output.contains("invalid_job: There is no model."), "\(show.all)")
                #expect(!(first.all + show.all).contains(Self.canary))
                let secret = try await stage.command("dead", "show", "two", "--json")
                #expect(!secret.all.contains(Self.canary))
                let body = try await stage.command("dead", "show", "two", "--body")
                #expect(body.output.contains(Self.canary))
                #expect(try await stage.command("dead", "show", "nobody").exitCode == 69)
                #expect(try await Self.left(stage) == ["one", "three", "two"])
            }
        }

        @Test func dropNamesExportsAndRemoves() async throws {
            try await ProcessStage.run { stage in
                try await Self.bury(stage, [Self.job("one"), Self.job("two"), Self.job("three", customer: "rival")])
                let refused = try await stage.command("dead", "drop", "one")
                #expect(refused.exitCode == 64 && refused.errors.contains("--yes"), "\(refused.all)")
                let missing = try await stage.command("dead", "drop", "nobody", "--yes")
                #expect(missing.exitCode == 69 && missing.errors.contains("nobody"))
                let nowhere = try await stage.command("dead", "drop", "one", "--yes", "--export", "/nowhere/x.jsonl")
                #expect(nowhere.exitCode == 69, "\(nowhere.all)")
                #expect(try await Self.left(stage) == ["one", "three", "two"])

                let file = stage.files.folder + "/dropped.jsonl"
                let dropped = try await stage.command("dead", "drop", "one", "--yes", "--export", file)
                #expect(dropped.exitCode == 0, "\(dropped.all)")
                #expect(dropped.output.contains("job one of acme (expired, dead since "))
                #expect(!dropped.all.contains(Self.canary))
                let more = try await stage.command(
                    "dead", "drop", "--customer", "rival", "--yes", "--json", "--export", file)
                #expect(try JSONValue(parsing: more.output.utf8)["id"]?.stringValue == "three")
                #expect(try await Self.left(stage) == ["two"])

                let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
                let exported = try lines.map { try JSONValue(parsing: $0.utf8) }
                try #require(exported.compactMap { $0["id"]?.stringValue } == ["one", "three"])
                let body = try JSONValue(parsing: (exported[0]["body"]?.stringValue ?? "").utf8)
                #expect(body["job"]?["id"]?.stringValue == "one" && "\(body)".contains(Self.canary))
                #expect(exported[0]["headers"]?["mine"]?.stringValue == Self.canary)
                #expect(exported[0]["properties"]?["user_id"]?.stringValue == "guest")
                let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
        }

        /// A job that a worker refused goes back, runs under its id and a higher attempt, and ends well.
        @Test func aReplayedJobRuns() async throws {
            try await ProcessStage.run { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("again", model: "no-such-model")], routingKey: "jobs.high")
                let refusal = try #require(try await replies.terminal(of: "again").last)
                #expect(refusal.properties.type == "error")
                #expect(try await worker.terminate() == 0)

                let text = try String(contentsOfFile: stage.files.configuration, encoding: .utf8)
                try stage.files.write(text + "\n[models.\"no-such-model\"]\n", to: "worker.conf")
                let cancelled = try await stage.command("cancel", "again", "--customer", "acme")
                #expect(cancelled.exitCode == 0, "\(cancelled.all)")
                let trial = try await stage.command("dead", "replay", "--all", "--dry-run")
                #expect(
                    trial.exitCode == 0 && trial.output.hasPrefix("would replay: job again of acme"), "\(trial.all)")
                let replay = try await stage.command("dead", "replay", "again")
                #expect(replay.exitCode == 0, "\(replay.all)")
                #expect(replay.output.hasSuffix("-> \(deployment.names.jobsHigh)"), "\(replay.all)")
                #expect(try await Self.left(stage).isEmpty)

                let second = try await stage.startReadyWorker()
                try await replies.log.wait("the answer") { events in
                    events.contains { $0.job == "again" && $0.properties.type == "chat.completion" }
                }
                let answer = try #require(replies.replies(of: "again").last)
                #expect(answer.properties.headers.integer("x-attempt") == 2_000_001)
                #expect(
                    answer.properties.headers.integer("x-attempt") ?? 0 > refusal.properties.headers.integer(
                        "x-attempt") ?? 0)
                #expect(try await second.terminate() == 0)
            }
        }

        @Test func whatGoesBackIsCleaned() async throws {
            try await ProcessStage.run { stage in
                let names = stage.deployment.names
                var own = Self.job("own")
                own.properties.headers["x-origin-queue"] = .string(names.suspect)
                var foreign = Self.job("foreign", deadline: "\"2020-01-01T00:00:00Z\"")
                foreign.properties.userID = nil
                foreign.properties.headers["x-verified-customer"] = .string("victim")
                var task = Self.job("task")
                task.properties.headers["x-origin-queue"] = .string(names.webhooks)
                task.properties.headers["x-job"] = .string("task")
                task.properties.headers["x-reason"] = .string("foreign_task: not ours")
                var hook = task
                hook.properties.headers["x-job"] = .string("hook")
                hook.properties.headers["x-reason"] = .string("tries_exhausted: 500")
                hook.properties.headers["x-webhook-tries"] = .int(9)
                try await Self.bury(stage, [own, foreign, task, hook])
                let replay = try await stage.command("dead", "replay", "--all", "--json")
                #expect(replay.exitCode == 0, "\(replay.all)")
                let lines = try replay.output.split(separator: "\n").map { try JSONValue(parsing: $0.utf8) }
                try #require(
                    lines.compactMap { $0["action"]?.stringValue } == ["replayed", "replayed", "kept", "replayed"])
                #expect(lines[0]["notes"]?.arrayValue?.isEmpty == true)
                let notes = lines[1]["notes"]?.arrayValue?.compactMap(\.stringValue) ?? []
                #expect(notes.count == 2 && notes[0].contains("deadline") && notes[1].contains("login"), "\(notes)")

                let jobs = try await stage.deployment.takeAll(names.jobs, atLeast: 2).map(\.properties)
                try #require(jobs.map(\.messageID) == ["own", "foreign"] && jobs.allSatisfy { $0.userID == "guest" })
                #expect(jobs[0].headers.string("x-verified-customer") == "acme")
                #expect(jobs[1].headers["x-verified-customer"] == nil, "another login is not believed")
                #expect(jobs.allSatisfy { $0.headers.integer("x-republished") == 2 && $0.headers["x-reason"] == nil })
                let offset = try #require(jobs[0].headers.integer("x-control-offset"))
                let hooks = try await stage.deployment.takeAll(names.webhooks, atLeast: 1)
                #expect(hooks.count == 1 && hooks.first?.properties.headers.integer("x-webhook-tries") == 0)
                let kept = try await stage.command("dead", "replay", "task")
                #expect(kept.exitCode == 69 && kept.output.hasPrefix("kept: webhook task of "), "\(kept.all)")
                #expect(try await Self.left(stage) == ["task"])

                // A later mark stands behind an earlier one, and what was written between is between them.
                #expect(try await stage.command("cancel", "own", "--customer", "acme").exitCode == 0)
                try await Self.bury(stage, [own])
                #expect(try await stage.command("dead", "replay", "own").exitCode == 0)
                let later = try await stage.deployment.takeAll(names.jobs, atLeast: 1).first
                #expect(later?.properties.headers.integer("x-control-offset") ?? 0 >= offset + 2)
            }
        }

        @Test func withoutAMarkNothingIsReplayed() async throws {
            try await ProcessStage.run { stage in
                try await Self.bury(stage, [Self.job("one")])
                let control = stage.deployment.names.control
                _ = try await Self.onSession(stage) { session in
                    try session.deleteQueue(control)
                    return true
                }
                let replay = try await stage.command("dead", "replay", "one")
                #expect(replay.exitCode == 69 && replay.errors.contains(control), "\(replay.all)")
                #expect(replay.output.isEmpty)
                #expect(try await Self.left(stage) == ["one"])
            }
        }
    }
}
