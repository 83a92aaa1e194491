/// Makes the gateway's request of a job's body: members are copied as they stand, never decoded and encoded again.
enum RequestSplicer {
    static func splice(_ body: [UInt8], _ document: JobDocument, route: ModelRoute, profile: Profile?) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(body.count + 128)
        appendBeginning(route, to: &output)
        body.withUnsafeBytes { bytes in
            for member in document.kept where !isReplaced(member.name, document, profile) {
                output.append(0x2C)
                output.append(contentsOf: bytes[member.range])
            }
        }
        if let tokens = profile?.maximumTokens, !document.hasMaximumTokens {
            output.append(contentsOf: ",\"max_tokens\":\(tokens)".utf8)
        }
        if let temperature = profile?.temperature, !document.hasTemperature {
            output.append(contentsOf: ",\"temperature\":\(temperature)".utf8)
        }
        appendEnd(route, to: &output)
        return output
    }

    /// A request that was spliced for one route, for another: only its beginning and its end depend on it.
    static func reroute(_ request: [UInt8], from old: ModelRoute, to new: ModelRoute) -> [UInt8] {
        var (beginning, end): ([UInt8], [UInt8]) = ([], [])
        appendBeginning(old, to: &beginning)
        appendEnd(old, to: &end)
        var output: [UInt8] = []
        output.reserveCapacity(request.count + new.upstreamModel.utf8.count + 64)
        appendBeginning(new, to: &output)
        output.append(contentsOf: request.dropFirst(beginning.count).dropLast(end.count))
        appendEnd(new, to: &output)
        return output
    }

    private static func appendBeginning(_ route: ModelRoute, to output: inout [UInt8]) {
        output.append(contentsOf: "{\"model\":".utf8)
        JSONText.appendQuoted(route.upstreamModel.utf8, to: &output)
    }

    private static func appendEnd(_ route: ModelRoute, to output: inout [UInt8]) {
        output.append(contentsOf: ",\"stream\":true".utf8)
        if route.includeUsage { output.append(contentsOf: ",\"stream_options\":{\"include_usage\":true}".utf8) }
        output.append(0x7D)
    }

    /// A null that the profile fills must go, or the key would stand twice.
    private static func isReplaced(_ name: String, _ document: JobDocument, _ profile: Profile?) -> Bool {
        switch name {
        case "max_tokens", "max_completion_tokens": !document.hasMaximumTokens && profile?.maximumTokens != nil
        case "temperature": !document.hasTemperature && profile?.temperature != nil
        default: false
        }
    }
}
