import ChatModel
import NIOCore

/// What the simulator reads of a chat completion request.
struct ChatRequest: Sendable {
    /// A request that no model would answer.
    struct Invalid: Error, Sendable, Equatable {
        var message: String
        var param: String?
    }

    /// Empty where the request names none.
    var model: String
    /// The request's `user` without a `simulate=` part: how tests and transcripts know a job.
    var user: String?
    var streams: Bool
    var includesUsage: Bool
    /// `max_completion_tokens`, else `max_tokens`.
    var maximumTokens: Int?
    var choiceCount: Int
    /// Text of the last message of the role `user`.
    var prompt: String
    /// Estimated at four bytes a token.
    var promptTokens: Int
    /// Names of the functions in `tools`.
    var tools: [String]
    var directives: Directives

    init(parsing body: ByteBuffer) throws(Invalid) {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: body.readableBytesView)
        } catch {
            throw Invalid(message: "The request is not valid JSON: \(error)", param: nil)
        }
        guard let messages = json["messages"]?.arrayValue else {
            throw Invalid(message: "'messages' is a required property", param: "messages")
        }
        self.model = json["model"]?.stringValue ?? ""
        self.streams = json["stream"] == .bool(true)
        self.includesUsage = json["stream_options"]?["include_usage"] == .bool(true)
        self.maximumTokens = json["max_completion_tokens"]?.integerValue ?? json["max_tokens"]?.integerValue
        self.choiceCount = json["n"]?.integerValue ?? 1
        let texts = messages.map { message in (message["role"]?.stringValue, Self.text(of: message["content"])) }
        self.prompt = texts.last { $0.0 == "user" }?.1 ?? ""
        self.promptTokens = texts.reduce(3) { $0 + 4 + $1.1.utf8.count / 4 }
        self.tools = (json["tools"]?.arrayValue ?? []).compactMap { $0["function"]?["name"]?.stringValue }
        if let limit = maximumTokens, limit < 1 {
            throw Invalid(message: "'max_tokens' must be at least 1", param: "max_tokens")
        }
        guard (1...128).contains(choiceCount) else {
            throw Invalid(message: "'n' must be between 1 and 128", param: "n")
        }
        (self.user, self.directives) = try Self.directives(
            user: json["user"]?.stringValue, key: json["x_simulate"]?.stringValue)
    }

    /// A string, or the text parts of an array of parts.
    private static func text(of content: JSONValue?) -> String {
        content?.stringValue ?? (content?.arrayValue ?? []).compactMap { $0["text"]?.stringValue }.joined()
    }

    private static func directives(user: String?, key: String?) throws(Invalid) -> (String?, Directives) {
        var user = user
        var text = key
        if let parts = user?.split(separator: ";", omittingEmptySubsequences: false),
            let last = parts.last, last.hasPrefix("simulate=")
        {
            text = text ?? String(last.dropFirst("simulate=".count))
            user = parts.count > 1 ? parts.dropLast().joined(separator: ";") : nil
        }
        guard let text else { return (user, Directives()) }
        do throws(Fault.ParseError) {
            return (user, try Directives(parsing: text))
        } catch {
            throw Invalid(message: error.description, param: key == nil ? "user" : "x_simulate")
        }
    }
}
