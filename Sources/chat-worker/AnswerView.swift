import AMQP
import ChatModel
import WorkerService

/// An answer for somebody who watches it come.
struct AnswerView {
    let started: ContinuousClock.Instant
    private var firstText: ContinuousClock.Instant?
    private var messages = 0
    /// Whether what was printed last ended its line.
    private var endsLine = true

    init(started: ContinuousClock.Instant) { self.started = started }

    mutating func show(_ event: ReplyReader.Event) {
        switch event {
        case .text(let text):
            if firstText == nil { firstText = .now }
            messages += 1
            endsLine = text.hasSuffix("\n")
            Output.print(printable(text), newline: false)
        case .other: messages += 1
        case .reset: note("-- another attempt: the text so far is void --")
        case .completed(let result):
            breakLine()
            Output.print(summary(result))
        case .failed(let body):
            breakLine()
            let error = body["error"]
            let field = error?["param"]?.stringValue.map { " (\(printable($0)))" } ?? ""
            Output.error(
                "chat-worker: \(error?["type"]?.stringValue ?? "error") \(error?["code"]?.stringValue ?? "")\(field): "
                    + printable(error?["message"]?.stringValue ?? ""))
        case .skipped: break
        }
    }

    private mutating func note(_ text: String) {
        breakLine()
        Output.print(text)
    }

    /// Ends the line that a text stopped in, so that something else may begin one.
    mutating func breakLine() {
        if !endsLine { Output.print("") }
        endsLine = true
    }

    private func summary(_ result: JSONValue) -> String {
        let end = ContinuousClock.now
        let usage = result["usage"]
        let tokens = usage?["completion_tokens"]?.integerValue ?? 0
        var parts: [String] = []
        if let firstText {
            parts.append("first token after \(seconds(firstText - started))")
            let streaming = (end - firstText) / .seconds(1)
            if streaming > 0 { parts.append("\(Int64(clampedTo: (Double(tokens) / streaming).rounded())) tokens/s") }
        }
        parts.append("\(tokens) tokens (\(result["job"]?["usage_source"]?.stringValue ?? "?")) in \(messages) messages")
        parts.append("total \(seconds(end - started))")
        if let cost = result["job"]?["cost"]?["amount"]?.doubleValue { parts.append("\(cost) USD") }
        let reason = result["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue ?? "?"
        return "-- \(result["model"]?.stringValue ?? "?"), \(reason): " + parts.joined(separator: ", ")
    }

    private func seconds(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        return milliseconds < 1_000
            ? "\((milliseconds * 10).rounded() / 10) ms" : "\((milliseconds / 10).rounded() / 100) s"
    }
}

/// The answers of several jobs on one terminal. Their pieces come mixed: a line names the job wherever another one goes
/// on, so that each can be told apart.
struct AnswersView {
    private var answers: [String: (reader: ReplyReader, view: AnswerView)] = [:]
    /// Whose text the terminal shows last; nil before the first, and after an end.
    private var current: String?

    mutating func show(_ delivery: Delivery) {
        let job = delivery.properties.headers.string("x-job") ?? "?"
        var answer = answers[job] ?? (ReplyReader(), AnswerView(started: .now))
        let event = answer.reader.take(delivery)
        if Self.isShown(event), job != current {
            if let current { answers[current]?.view.breakLine() }
            Output.print("== \(printable(job))")
            current = job
        }
        answer.view.show(event)
        switch event {
        case .completed, .failed:
            answers[job] = nil
            if current == job { current = nil }
        default: answers[job] = answer
        }
    }

    /// Whether anything of the event reaches the terminal.
    private static func isShown(_ event: ReplyReader.Event) -> Bool {
        switch event {
        case .text, .reset, .completed, .failed: true
        case .other, .skipped: false
        }
    }
}
