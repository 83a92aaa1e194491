import AMQP
import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct DeadShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows all that is known of a dead letter; its body only with --body.",
        discussion: """
            Example:
              chat-worker dead show order-1001 --customer acme --config worker.conf

            --json prints an object a line: what list prints, and message, field, deadline, webhook_id, \
            verified_customer, properties, headers; with --body also body, or body_base64 where it is not UTF-8.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var selection: DeadLetterSelection
    @Flag(help: "Also the body and its sender's own headers, which hold what was asked.") var body = false
    @Flag(help: "One JSON object a line.") var json = false
    @Argument(help: ArgumentHelp("A job's id; a message_id or webhook-id will do as well.", valueName: "id"))
    var ids: [String] = []

    mutating func validate() throws {
        guard !selection.filter(ids: ids).isEmpty else {
            throw ValidationError("Name an id, or say which by an option.")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        let filter = selection.filter(ids: ids)
        try Exit.mapping {
            var count = 0
            try configuration.atDesk { desk in
                try desk.walk { letter, delivery in
                    guard filter.matches(letter) else { return true }
                    if count > 0, !json { Output.print("") }
                    count += 1
                    let members = DeadLetterRecord.whole(letter, delivery, withBody: body)
                    if json { Output.print(members.line) } else { show(members, letter, delivery) }
                    return true
                }
            }
            if count == 0 { throw Unavailable("there is no such dead letter") }
        }
    }

    private func show(_ members: [JSONValue.Member], _ letter: DeadLetter, _ delivery: Delivery) {
        for member in members where !["body", "body_base64"].contains(member.key) {
            switch member.value {
            case .object(let inner):
                for entry in inner where !entry.value.isNull { row("\(member.key).\(entry.key)", entry.value) }
            case .null: continue
            default: row(member.key, member.value)
            }
        }
        guard body else { return }
        Output.print("")
        if !letter.isWhole {
            Output.print("its body is too large to be shown: \(letter.size) bytes")
        } else if let text = String(validating: delivery.body, as: UTF8.self) {
            Output.print(printable(text))
        } else {
            Output.print("its body is not UTF-8: --json shows it as base64")
        }
    }

    private func row(_ key: String, _ value: JSONValue) {
        let text = value.stringValue ?? String(decoding: value.serialized(), as: UTF8.self)
        let name = printable(key)
        Output.print(name + String(repeating: " ", count: max(1, 28 - name.count)) + printable(text))
    }
}
