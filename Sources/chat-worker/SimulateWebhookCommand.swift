import ArgumentParser
import ChatModel
import GatewaySimulator
import Webhooks

/// `chat-worker simulate webhook`
struct SimulateWebhookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Receives webhooks, checks their signatures, prints one line for each.",
        discussion: """
            Example: fail twice, then accept, and end after the first accepted delivery
              chat-worker simulate webhook --port 8091 --secret-file webhook.secret --fail-first 2 --once

            The exit code is 0 if no signature was wrong, else 69.
            """)

    @OptionGroup(title: "Listening") var listening: ListeningOptions
    @Option(
        help: ArgumentHelp(
            "File with the secrets (whsec_…), one a line. Default: signatures are not checked.", valueName: "file"))
    var secretFile: String?
    @Option(help: ArgumentHelp("Status of the answer.", valueName: "status"))
    var status = 204
    @Option(help: ArgumentHelp("Answer the first requests with --fail-status.", valueName: "n"))
    var failFirst = 0
    @Option(help: ArgumentHelp("Status of failed answers.", valueName: "status"))
    var failStatus = 500
    @Option(help: ArgumentHelp("Retry-After of failed answers.", valueName: "seconds"))
    var retryAfter: String?
    @Option(help: ArgumentHelp("Milliseconds before every answer.", valueName: "ms"))
    var delay = 0
    @Option(help: ArgumentHelp("End after so many accepted deliveries.", valueName: "n"))
    var count: Int?
    @Flag(help: "End after one accepted delivery.")
    var once = false
    @Flag(help: "Print bodies too.")
    var verbose = false

    mutating func validate() throws {
        guard (200...599).contains(status), (200...599).contains(failStatus) else {
            throw ValidationError("A status is 200 to 599.")
        }
        guard failFirst >= 0, delay >= 0, count ?? 1 > 0 else {
            throw ValidationError("Counts and delays cannot be negative, and --count must be at least 1.")
        }
        guard !once || count == nil else { throw ValidationError("--once is --count 1.") }
    }

    func run() async throws {
        let options = try makeOptions()
        let receiver = try await StandIn.start { try await WebhookReceiver.start(options) }
        StandIn.announce(kind: "webhook", url: receiver.url, port: receiver.port, json: listening.json)
        let wanted = once ? 1 : count
        let hadBadSignature = await withTaskGroup(of: Bool?.self) { group in
            group.addTask { await printDeliveries(of: receiver, until: wanted) }
            group.addTask {
                await StandIn.untilToldToStop()
                await receiver.shutdown()
                return nil
            }
            // The printer ends by itself, or because the receiver was shut down.
            var bad = false
            for await result in group {
                guard let result else { continue }
                bad = result
                group.cancelAll()
            }
            return bad
        }
        await receiver.shutdown()
        if hadBadSignature { throw ExitCode(StandIn.unavailable) }
    }

    private func makeOptions() throws -> WebhookReceiver.Options {
        var options = WebhookReceiver.Options()
        options.host = listening.host
        options.port = listening.port
        options.status = status
        options.failFirst = failFirst
        options.failStatus = failStatus
        options.retryAfter = retryAfter
        options.delay = .milliseconds(delay)
        options.recordsDeliveries = false
        if let secretFile {
            options.secrets = try TextFile.lines(secretFile).map { line in
                do throws(WebhookSecret.Invalid) {
                    return try WebhookSecret(line)
                } catch {
                    throw ValidationError("\(secretFile): \(error)")
                }
            }
        }
        return options
    }

    /// Whether a signature was wrong.
    private func printDeliveries(of receiver: WebhookReceiver, until wanted: Int?) async -> Bool {
        var accepted = 0
        var hadBadSignature = false
        for await delivery in receiver.deliveries {
            show(delivery)
            if case .failed = delivery.verification { hadBadSignature = true }
            let isGood = delivery.isAccepted || (delivery.verification == .unchecked && delivery.status < 300)
            if isGood { accepted += 1 }
            if let wanted, accepted >= wanted { break }
        }
        return hadBadSignature
    }

    private func show(_ delivery: ReceivedWebhook) {
        let verdict =
            switch delivery.verification {
            case .verified: "verified"
            case .failed(let reason): "NOT VERIFIED (\(reason))"
            case .unchecked: "not checked"
            }
        let time = Timestamp(milliseconds: delivery.receivedAt / 1_000_000).rfc3339
        StandIn.print(
            json: listening.json,
            [
                ("event", .text("webhook")), ("time", .text(time)), ("id", .text(delivery.id ?? "")),
                ("type", .text(delivery.type ?? "")), ("customer", .text(delivery.customer ?? "")),
                ("job", .text(delivery.job ?? "")), ("verification", .text(verdict)),
                ("attempt", .number(delivery.attempt)), ("status", .number(delivery.status)),
                ("bytes", .number(delivery.body.count)),
            ] + (verbose ? [("body", .text(String(decoding: delivery.body, as: UTF8.self)))] : []),
            human: """
                \(time)  \(delivery.type ?? "?")  \(delivery.customer ?? "?")/\(delivery.job ?? "?")  \
                \(delivery.id ?? "no id")  attempt \(delivery.attempt)  \(delivery.body.count) bytes  \(verdict)  \
                -> \(delivery.status)\(verbose ? "\n" + String(decoding: delivery.body, as: UTF8.self) : "")
                """)
    }
}
