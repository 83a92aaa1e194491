import ChatModel
import Testing

@Suite struct FallbackTests {
    static let rules = JobRules(
        profiles: [
            "own": Profile(model: "a", maximumTokens: 7, fallbacks: ["d"]), "none": Profile(model: "a", fallbacks: []),
            "same": Profile(model: "a"),
        ],
        models: [
            "a": ModelRoute(gateway: "g", upstreamModel: "up-\"a", fallbacks: ["b", "d"]),
            "b": ModelRoute(gateway: "h", upstreamModel: "up-b", includeUsage: false, fallbacks: ["c", "d"]),
            "c": ModelRoute(gateway: "h", upstreamModel: "c"), "d": ModelRoute(gateway: "g", upstreamModel: "d"),
        ])

    static func parse(_ members: String, profile: String? = nil) throws -> Job {
        let profile = profile.map { ",\"profile\":\"\($0)\"" } ?? ""
        let body = #"{\#(members)"messages":[{"a":1}],"job":{"id":"1","customer":"c"\#(profile)}}"#
        return try JobParser(rules: rules).parse(body: Array(body.utf8), envelope: JobEnvelope())
    }

    @Test func eachIsFollowedByItsOwn() throws {
        #expect(try Self.parse(#""model":"a","#).fallbacks.map(\.model) == ["b", "c", "d"])
        #expect(try Self.parse(#""model":"c","#).fallbacks.isEmpty)
    }

    @Test(arguments: [("own", ["d"]), ("none", []), ("same", ["b", "c", "d"])])
    func aProfilesOwn(_ profile: String, _ expected: [String]) throws {
        #expect(try Self.parse("", profile: profile).fallbacks.map(\.model) == expected)
    }

    /// Only the model, and whether usage is asked for, differ.
    @Test func theSameRequest() throws {
        let job = try Self.parse(#""model":"a","x":"\u0041","#, profile: "own")
        func request(_ job: Job) -> String { String(decoding: job.request, as: UTF8.self) }
        let middle = #","x":"\u0041","messages":[{"a":1}],"max_tokens":7,"stream":true"#
        let options = #","stream_options":{"include_usage":true}}"#
        #expect(request(job) == #"{"model":"up-\"a""# + middle + options)
        let other = job.rerouted(to: 1, because: .rateLimited)
        #expect(request(other) == #"{"model":"d""# + middle + options)
        #expect(other.route.upstreamModel == "d" && other.fallback == Fallback(from: "a", cause: .rateLimited))
        let bare = try Self.parse(#""model":"a","#).rerouted(to: 1, because: .unavailable)
        #expect(request(bare) == #"{"model":"up-b","messages":[{"a":1}],"stream":true}"#)
        #expect(job.rerouted(to: 0, because: .unavailable) == job && job.rerouted(to: 9, because: .unavailable) == job)
    }
}
