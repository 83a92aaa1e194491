import Testing

@testable import ChatModel

/// What models want their requests to look like: changed at the top, and byte for byte the same everywhere else.
@Suite struct RequestShapeTests {
    static func extra(_ json: String) -> ExtraMembers {
        (try? JSONValue(parsing: json.utf8)).flatMap { ExtraMembers($0) } ?? ExtraMembers()
    }

    static let cases: [(request: String, shape: RequestShape, expected: String)] = [
        (#"{"a": 1 , "b":"\u0041"}"#, RequestShape(), #"{"a": 1 , "b":"\u0041"}"#),
        (
            #"{"model":"m", "max_tokens" : 5,"x":[ 1, {"max_tokens":7} ]}"#,
            RequestShape(limitName: .maximumCompletionTokens),
            #"{"model":"m","max_completion_tokens":5,"x":[ 1, {"max_tokens":7} ]}"#
        ),
        (
            #"{"max_completion_tokens":5}"#, RequestShape(limitName: .maximumTokens), #"{"max_tokens":5}"#
        ),
        (
            #"{"max_tokens":9,"max_completion_tokens":5}"#, RequestShape(limitName: .maximumCompletionTokens),
            #"{"max_completion_tokens":5}"#
        ),
        (
            #"{"max_tokens":9,"max_completion_tokens":null}"#, RequestShape(limitName: .maximumCompletionTokens),
            #"{"max_completion_tokens":9}"#
        ),
        (
            #"{"max_tokens":null}"#, RequestShape(limitName: .maximumCompletionTokens),
            #"{"max_completion_tokens":null}"#
        ),
        (
            #"{"temperature":0.30,"top_p":1,"messages":[{"temperature":1}]}"#,
            RequestShape(dropped: ["temperature", "top_p", "seed"]), #"{"messages":[{"temperature":1}]}"#
        ),
        (#"{"temperatur\u0065":1}"#, RequestShape(dropped: ["temperature"]), "{}"),
        (
            #"{"messages":[],"effort":null,"tools":{"a":"\/"}}"#,
            RequestShape(extra: extra(#"{"effort":"low","top":{"k":[1,2.50]},"seed":7}"#)),
            #"{"messages":[],"effort":null,"tools":{"a":"\/"},"top":{"k":[1,2.50]},"seed":7}"#
        ),
        // What is left out makes room for what is added.
        (
            #"{"temperature":0.3}"#, RequestShape(dropped: ["temperature"], extra: extra(#"{"temperature":1}"#)),
            #"{"temperature":1}"#
        ),
        ("{}", RequestShape(extra: extra(#"{"a":1}"#)), #"{"a":1}"#),
        // What is no object is not touched.
        ("", RequestShape(dropped: ["a"]), ""), ("[1]", RequestShape(dropped: ["a"]), "[1]"),
        (#"{"a":1"#, RequestShape(dropped: ["a"]), #"{"a":1"#),
        (#"{"a":1}x"#, RequestShape(dropped: ["a"]), #"{"a":1}x"#),
    ]

    @Test(arguments: cases) func isApplied(request: String, shape: RequestShape, expected: String) {
        #expect(String(decoding: shape.applied(to: Array(request.utf8)), as: UTF8.self) == expected)
    }

    @Test func theLaterWordCounts() {
        let first = RequestShape(limitName: .maximumTokens, dropped: ["a"], extra: Self.extra(#"{"x":1}"#))
        let second = RequestShape(limitName: .maximumCompletionTokens, dropped: ["b"])
        #expect(
            first.merged(with: second)
                == RequestShape(limitName: .maximumCompletionTokens, dropped: ["a", "b"], extra: first.extra))
        #expect(first.merged(with: RequestShape()) == first)
    }

    /// A profile adds what the job does not say, even as null.
    @Test(arguments: [
        ("", #","effort":"low","temperature":0.5"#), (#","effort":"high""#, #","effort":"high","temperature":0.5"#),
        (#","effort":null,"temperature":1"#, #","effort":null,"temperature":1"#),
    ])
    func aProfileAdds(members: String, expected: String) throws {
        let rules = JobRules(
            profiles: ["p": Profile(model: "m", extra: Self.extra(#"{"effort":"low","temperature":0.5}"#))],
            models: ["m": ModelRoute(gateway: "g", upstreamModel: "m", includeUsage: false)])
        let body = #"{"messages":[1]\#(members),"job":{"id":"1","customer":"c","profile":"p"}}"#
        let job = try JobParser(rules: rules).parse(body: Array(body.utf8), envelope: JobEnvelope())
        #expect(
            String(decoding: job.request, as: UTF8.self)
                == #"{"model":"m","messages":[1]\#(expected),"stream":true}"#)
    }
}
