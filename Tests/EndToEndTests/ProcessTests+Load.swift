import ChatModel
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// Jobs through the whole program, over plain connections and over TLS.
    @Suite(.serialized) struct Load {
        private static func settings() -> Deployment.Settings {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 60
            settings.gateway.tokensPerSecond = 400
            settings.gateway.varies = true
            settings.gateway.frames = .mixed
            return settings
        }

        @Test func aHundredJobs() async throws {
            try await ProcessStage.run(Self.settings()) { stage in
                let worker = try await stage.startReadyWorker()
                try await Self.runJobs(100, stage, worker)
            }
        }

        /// `wss://` and `amqps://` with a CA that only the configuration names.
        @Test func jobsOverTLS() async throws {
            var settings = Self.settings()
            let broker = try await onOwnThread { try TestBroker.named("process") }
            let url = try await onOwnThread { try broker.tlsURL }
            settings.gateway.tls = .init(
                certificateFile: broker.tlsFile("server.pem"), keyFile: broker.tlsFile("server.key"))
            try await ProcessStage.run(
                settings,
                configure: { files, deployment in
                    files.brokerURL = url.replacing("guest:guest@", with: "")
                    files.broker = "ca_file = \"\(broker.tlsFile("ca.pem"))\""
                    files.gatewayURL = "wss://localhost:\(deployment.gateway.port)/v1"
                    files.gateway = "ca_file = \"\(broker.tlsFile("ca.pem"))\""
                }
            ) { stage in
                let check = try await stage.command("check")
                #expect(check.exitCode == 0, "\(check.all)")
                #expect(check.output.contains("amqps://localhost:") && check.output.contains("wss://localhost:"))
                let worker = try await stage.startReadyWorker()
                try await Self.runJobs(20, stage, worker)
            }
        }

        /// A broker whose certificate nobody vouches for is not talked to.
        @Test func aStrangersCertificateIsRefused() async throws {
            let broker = try await onOwnThread { try TestBroker.named("process") }
            let url = try await onOwnThread { try broker.tlsURL }
            try await ProcessStage.run(configure: { files, _ in
                files.brokerURL = url.replacing("guest:guest@", with: "")
            }) { stage in
                let check = try await stage.command("check")
                #expect(check.exitCode == 69)
                #expect(check.output.contains("FAILED broker amqps://localhost:"))
            }
        }

        private static func runJobs(_ count: Int, _ stage: ProcessStage, _ worker: WorkerProcess) async throws {
            let deployment = stage.deployment
            let customers = (1...count).map { "customer_\($0)" }
            let replies = try await deployment.collector(customers: customers)
            defer { replies.stop() }
            try await deployment.enqueue(
                customers.enumerated().map { index, customer in
                    TestJob("job-\(customer)", customer: customer, model: Deployment.models[index % 4])
                })
            for customer in customers {
                let all = try await replies.terminal(of: "job-\(customer)", timeout: .seconds(60))
                try AnswerCheck(all).expectComplete(
                    deployment.gateway.answers(user: "job-\(customer)").first, "\(customer)")
                AnswerCheck.expectContiguous(all)
                #expect(all.allSatisfy { $0.properties.headers.string("x-customer") == customer })
            }
            let hooks = try await deployment.webhooks { Set($0.map(\.id)).count == count }
            #expect(hooks.allSatisfy { $0.verification == .verified })
            #expect(try await worker.terminate() == 0)
            #expect(try await deployment.leftOver().isEmpty)
            try expectJobLines(worker, customers)
        }

        /// Each line of standard error is one JSON object; each job has one line with the keys that queries lean on.
        private static func expectJobLines(_ worker: WorkerProcess, _ customers: [String]) throws {
            let lines = try worker.logLines()
            for line in lines {
                for key in ["time", "level", "logger", "message"] { #expect(line[key]?.stringValue != nil) }
            }
            let jobs = lines.filter { $0["message"]?.stringValue == "job completed" }
            #expect(Set(jobs.compactMap { $0["customer"]?.stringValue }) == Set(customers))
            #expect(jobs.count == customers.count)
            for line in jobs {
                let customer = try #require(line["customer"]?.stringValue)
                #expect(line["job.id"]?.stringValue == "job-\(customer)")
                #expect(line["attempt"]?.stringValue == "1" || line["attempt"]?.integerValue == 1)
                #expect(Deployment.models.contains(line["gateway.model"]?.stringValue ?? ""))
            }
            let hooks = lines.filter { $0["message"]?.stringValue == "webhook delivered" }
            #expect(hooks.count == customers.count, "one line a webhook attempt")
        }
    }
}
