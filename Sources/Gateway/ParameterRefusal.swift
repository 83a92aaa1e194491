import ChatModel

/// A gateway's word that its model does not take a parameter of the request, which would be answered without it, or with the
/// limit of the answer under its other name.
///
/// Only what leaves the sense of a question and of its answer alone is repaired so: how a model chooses its words. Who asks
/// for tools, a format or an end of the text that the model does not know has to be told.
struct ParameterRefusal: Sendable, Equatable {
    /// What the request has to look like.
    var shape: RequestShape
    /// It concerns every request to the model, not only the value that this one had.
    var isForAnyValue = true

    /// What may be left out.
    static let droppable: Set<String> = [
        "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed",
        "logprobs", "top_logprobs", "stream_options",
    ]

    /// - Parameters:
    ///   - words: the error's `code` and `type`.
    ///   - document: all of the error, for lists of what is wrong (Mistral, vLLM and others with pydantic).
    init?(words: [String?], param: String?, message: String?, document: JSONValue) {
        if let names = Self.forbiddenExtras(document) {
            self.init(refused: names)
            return
        }
        let text = message.map { $0.prefix(1_024).lowercased() } ?? ""
        let isSaid = words.contains { $0.map(Self.codes.contains) ?? false }
        guard isSaid || Self.phrases.contains(where: { text.contains($0) }) else { return nil }
        var names: [String]
        if let param, !param.isEmpty {
            names = [Self.plain(param)]
        } else {
            names = Self.names(in: text)
            // Anthropic's: each of the two alone would do.
            if text.contains("cannot both be specified"), names.contains("temperature") {
                names.removeAll { $0 == "temperature" }
            }
        }
        self.init(refused: names)
        isForAnyValue =
            !text.contains("cannot both be specified") && !text.contains("when thinking")
            && (!(words.contains("unsupported_value") || text.contains("unsupported value"))
                || text.contains("default"))
    }

    /// `nil` if nothing of that can be repaired.
    private init?(refused names: [String]) {
        // A sentence that refuses one name of the limit advises the other.
        let limit = names.lazy.compactMap { RequestShape.LimitName(rawValue: $0) }.first
        shape = RequestShape(limitName: limit?.other, dropped: Self.droppable.intersection(names))
        if shape.isEmpty { return nil }
    }

    private static let codes: Set<String> = [
        "unsupported_parameter", "unsupported_value", "unknown_parameter", "unrecognized_parameter",
        "unsupported_parameters",
    ]

    /// Sentences of OpenAI, Azure, xAI, Groq, Google, Anthropic, LiteLLM and others; in lower case.
    private static let phrases = [
        "unsupported parameter", "unsupported value", "not supported", "not support parameter", "does not support",
        "doesn't support", "is unsupported", "unrecognized request argument", "unknown parameter", "unknown name",
        "unknown field", "unrecognized field", "extra inputs are not permitted", "extra fields not permitted",
        "cannot both be specified", "is deprecated for this model", "fixed at", "is allowed for this model",
        "may only be set to 1", "extraneous key",
    ]

    /// `{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}`, also within a `message`.
    private static func forbiddenExtras(_ document: JSONValue) -> [String]? {
        let details = document["detail"]?.arrayValue ?? document["message"]?["detail"]?.arrayValue ?? []
        let names = details.prefix(16).compactMap { detail -> String? in
            guard detail["type"]?.stringValue == "extra_forbidden" else { return nil }
            let place = detail["loc"]?.arrayValue?.compactMap(\.stringValue) ?? []
            // A member of a member is something else.
            return place.count <= 2 ? place.last : nil
        }
        return names.isEmpty ? nil : names
    }

    /// The parameters that a sentence speaks of, in its order.
    private static func names(in text: String) -> [String] {
        let words = text.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }
        return words.compactMap { word in
            let name = plain(String(word))
            return droppable.contains(name) || RequestShape.LimitName(rawValue: name) != nil ? name : nil
        }
    }

    /// Without the path before it, and in the spelling of the request.
    private static func plain(_ name: String) -> String {
        let last = name.split(separator: ".").last.map(String.init) ?? name
        return spellings[last.lowercased()] ?? last
    }

    /// xAI's and Google's.
    private static let spellings = [
        "presencepenalty": "presence_penalty", "frequencypenalty": "frequency_penalty", "topp": "top_p",
        "topk": "top_k",
        "maxtokens": "max_tokens", "maxcompletiontokens": "max_completion_tokens", "toplogprobs": "top_logprobs",
    ]
}
