import ChatModel
import Foundation
import JobRunner
import TestSupport
import Testing
import Webhooks

extension ProcessTests {
    /// Secrets, prompts and answers are in none of the places that others on the machine read.
    @Suite(.serialized) struct Secrets {
        private static let prompt = "PROMPTCANARY"
        private static let answer = "ANSWERCANARY"
        private static let password = "PASSWORDCANARY"
        private static let apiKey = "sk-KEYCANARY"
        /// `whsec_` and the base64 of 33 bytes.
        private static let webhookSecret = "whsec_U0VDUkVUQ0FOQVJZU0VDUkVUQ0FOQVJZU0VDUkVUQ0FO"

        private static func settings() throws -> Deployment.Settings {
            var settings = Deployment.Settings()
            settings.apiKey = apiKey
            settings.webhookSecret = try WebhookSecret(webhookSecret)
            settings.gateway.text = "\(answer) is the answer. "
            settings.gateway.tokens = 12
            settings.receiver.failFirst = 2
            return settings
        }

        @Test func neverReachLogs() async throws {
            let user = uniqueName("canary")
            try await ProcessStage.run(
                Self.settings(),
                configure: { files, deployment in
                    files.brokerUser = user
                    files.brokerPassword = Self.password
                    files.logLevel = "trace"
                    let broker = deployment.broker
                    // All of it goes with the least that a worker needs.
                    let least = TopologyPlan(names: deployment.names).permissions(declaredReplies: nil)
                    try await onOwnThread {
                        try broker.control("add_user", user, Self.password)
                        try broker.control("set_permissions", user, least.configure, least.write, least.read)
                    }
                }
            ) { stage in
                let worker = try await stage.startReadyWorker()
                try Self.expectNothing(of: worker.process.processID)
                try await Self.runEverything(stage, worker)
                let check = try await stage.command("check")
                #expect(check.exitCode == 0, "\(check.all)")
                Self.expectClean(check.all, "check")
                let json = try await stage.command("check", "--json")
                Self.expectClean(json.all, "check --json")
                #expect(try await worker.terminate() == 0)
                let said = worker.everythingSaid
                Self.expectClean(said, "run")
                for message in ["job completed", "job failed", "job refused", "webhook failed", "webhook delivered"] {
                    #expect(said.contains("\"\(message)\""), "otherwise this proves nothing")
                }
                let broker = stage.deployment.broker
                try await onOwnThread { _ = try broker.control("delete_user", user) }
            }
        }

        /// A wrong password and a wrong key are told without being said.
        @Test func wrongCredentialsAreNotRepeated() async throws {
            var settings = try Self.settings()
            settings.receiver.failFirst = 0
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    files.brokerPassword = Self.password
                    files.logLevel = "trace"
                }
            ) { stage in
                let check = try await stage.command("check")
                #expect(check.exitCode == 69)
                Self.expectClean(check.all, "check")
                let worker = try stage.startWorker()
                try await worker.log.wait("it tries again") { events in
                    events.count { if case .error(let line) = $0 { line.contains("ACCESS_REFUSED") } else { false } }
                        >= 3
                }
                #expect(try await worker.terminate() == 0)
                Self.expectClean(worker.everythingSaid, "run")
                try stage.files.write("guest", to: "broker-password")
                try stage.files.write("sk-WRONGKEYCANARY", to: "api-key")
                let second = try await stage.startReadyWorker()
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                try await stage.deployment.enqueue([TestJob("unauthorized")])
                let all = try await replies.terminal(of: "unauthorized")
                let failure = try #require(AnswerCheck(all).failure)
                #expect(failure["error"]?["stage"]?.stringValue == "upgrade", "\(failure)")
                #expect(try await second.terminate() == 0)
                #expect(!second.everythingSaid.contains("WRONGKEYCANARY"))
                for reply in all { #expect(!String(decoding: reply.body, as: UTF8.self).contains("WRONGKEYCANARY")) }
            }
        }

        /// A success, a refused request, a cut stream, two kinds of refused jobs, and failing webhooks.
        private static func runEverything(_ stage: ProcessStage, _ worker: WorkerProcess) async throws {
            let deployment = stage.deployment
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            func job(_ id: String, _ extra: String = "") -> TestJob {
                TestJob(
                    raw: Array(
                        """
                        {"model":"gpt-4.1","messages":[{"role":"user","content":"\(prompt)"}]\(extra),\
                        "job":{"id":"\(id)","customer":"acme","webhook":"receiver","metadata":{"x":"\(prompt)"}}}
                        """.utf8),
                    properties: .init(isPersistent: true, messageID: id))
            }
            func broken(_ id: String, _ body: String) -> TestJob {
                TestJob(raw: Array(body.utf8), properties: .init(isPersistent: true, messageID: id))
            }
            try await deployment.enqueue([
                job("good"), job("forbidden", #","x_simulate":"refuse:403""#),
                job("failed", #","x_simulate":"error:\#(prompt):3""#), job("cut", #","x_simulate":"cut:4""#),
                job("garbage", #","x_simulate":"garbage:4""#), job("utf8", #","x_simulate":"utf8:4""#),
                broken("cut-short", "{\"messages\":[{\"content\":\"\(prompt)"),
                broken(
                    "wrong-type",
                    #"{"model":5,"messages":"\#(prompt)","job":{"id":"wrong-type","customer":"acme"}}"#),
                broken(
                    "wrong-model",
                    #"{"model":"\#(prompt)","messages":[{"content":"\#(prompt)"}],"\#(prompt)":1,"#
                        + #""job":{"id":"wrong-model","customer":"acme","deadline":"\#(prompt)"}}"#),
                broken(
                    "wrong-key",
                    #"{"model":"gpt-4.1","messages":[{}],"\#(prompt)":1,"\#(prompt)":2,"#
                        + #""job":{"id":"wrong-key","customer":"acme"}}"#),
                broken(
                    "wrong-field",
                    #"{"model":"gpt-4.1","messages":[{}],"job":{"id":"wrong-field","customer":"acme","\#(prompt)":3}}"#),
            ])
            for id in ["good", "forbidden", "failed", "cut", "garbage", "utf8"] { try await replies.terminal(of: id) }
            try await worker.untilStatus("every bad job refused") { $0.contains(" 5 refused") }
            var hooks = 0
            for await hook in deployment.receiver.deliveries where hook.isAccepted {
                hooks += 1
                if hooks == 6 { break }
            }
        }

        private static func expectClean(
            _ text: String, _ place: Comment, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let secrets = [prompt, answer, password, "KEYCANARY", String(webhookSecret.dropFirst(6))]
            for secret in secrets {
                let lines = text.split(separator: "\n").filter { $0.contains(secret) }
                #expect(lines.isEmpty, place, sourceLocation: sourceLocation)
            }
        }

        /// What `ps` and whoever may read `/proc` can see.
        private static func expectNothing(of processID: Int32) throws {
            for file in ["cmdline", "environ"] {
                let data = try Data(contentsOf: URL(filePath: "/proc/\(processID)/\(file)"))
                #expect(!data.isEmpty)
                expectClean(String(decoding: data, as: UTF8.self), "/proc/PID/\(file)")
            }
        }
    }
}
