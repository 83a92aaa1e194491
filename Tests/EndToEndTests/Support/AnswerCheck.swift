import AMQP
import ChatModel
import GatewaySimulator
import Testing
import WorkerService

/// What a consumer has of one job, judged against what the gateway says it sent.
struct AnswerCheck {
    var reader = ReplyReader()
    var terminal: JSONValue?
    var failure: JSONValue?
    var terminals = 0
    var resets = 0

    /// - Parameter mayRepeat: a publish connection was closed at some moment: a message that had no confirm by then may come
    ///   again under its own id, and counts once.
    init(_ replies: [Delivery], mayRepeat: Bool = false) {
        var seen: Set<String> = []
        for reply in replies {
            let isRepeated = mayRepeat && !seen.insert(reply.properties.messageID ?? "").inserted
            if reply.isTerminal, !isRepeated { terminals += 1 }
            if reply.properties.type == "chat.completion.reset" { resets += 1 }
            switch reader.take(reply) {
            case .completed(let body): terminal = body
            case .failed(let body): failure = body
            default: break
            }
        }
    }

    /// The joined chunks are the text of the terminal and the text that the gateway sent; hash and order are right.
    func expectComplete(
        _ answer: SimulatedAnswer?, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let answer = try #require(answer, comment, sourceLocation: sourceLocation)
        let terminal = try #require(terminal, comment, sourceLocation: sourceLocation)
        #expect(!reader.hasGap, comment, sourceLocation: sourceLocation)
        #expect(terminals == 1, comment, sourceLocation: sourceLocation)
        let text = terminal["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
        #expect(text.map { Array($0.utf8) } == Array(answer.text.utf8), comment, sourceLocation: sourceLocation)
        #expect(Array(reader.text.utf8) == Array(answer.text.utf8), comment, sourceLocation: sourceLocation)
        #expect(
            terminal["job"]?["content_sha256"]?.stringValue == SHA256Text.digest(answer.text), comment,
            sourceLocation: sourceLocation)
    }

    /// Sequence numbers and offsets of each attempt, message by message.
    /// - Parameter mayMix: another worker may still say something under an earlier attempt.
    static func expectContiguous(
        _ replies: [Delivery], mayMix: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        struct Attempt {
            var sequence: Int64 = 0
            var offset = 0
            var run: String?
        }
        var attempts: [Int64: Attempt] = [:]
        var latest: Int64 = -1
        for reply in replies {
            let headers = reply.properties.headers
            let number = headers.integer("x-attempt") ?? -1
            if !mayMix { #expect(number >= latest, "attempts grow", sourceLocation: sourceLocation) }
            latest = max(latest, number)
            if attempts[number] == nil {
                let run = headers.string("x-run")
                #expect(!attempts.values.contains { $0.run == run }, sourceLocation: sourceLocation)
                attempts[number] = Attempt(run: run)
            }
            guard var attempt = attempts[number] else { continue }
            let isWhole =
                headers.string("x-run") == attempt.run && headers.integer("x-seq") == attempt.sequence
                && headers.integer("x-offset") == Int64(attempt.offset)
                && reply.properties.messageID == "\(reply.job ?? "")/\(number)/\(attempt.sequence)"
            #expect(isWhole, "\(reply.properties)", sourceLocation: sourceLocation)
            guard isWhole else { return }
            attempt.sequence += 1
            if reply.properties.type == "chat.completion.chunk", let body = try? JSONValue(parsing: reply.body) {
                for choice in body["choices"]?.arrayValue ?? [] where choice["index"]?.integerValue == 0 {
                    attempt.offset += choice["delta"]?["content"]?.stringValue?.utf8.count ?? 0
                }
            }
            attempts[number] = attempt
        }
    }
}
