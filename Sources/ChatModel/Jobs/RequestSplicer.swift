/// Finds the gateway's request in a job's body: members are copied as they stand, never decoded and encoded again.
enum RequestSplicer {
    static func splice(_ body: [UInt8], _ document: JobDocument, route: ModelRoute, profile: Profile?) -> JobRequest {
        var additions: [UInt8] = []
        if let tokens = profile?.maximumTokens, !document.hasMaximumTokens {
            additions.append(contentsOf: ",\"max_tokens\":\(tokens)".utf8)
        }
        if let temperature = profile?.temperature, !document.hasTemperature {
            additions.append(contentsOf: ",\"temperature\":\(temperature)".utf8)
        }
        if let extra = profile?.extra, !extra.isEmpty {
            // A null of the job counts as its word, too.
            var present = Set(document.kept.map(\.name))
            if profile?.maximumTokens != nil { present.insert("max_tokens") }
            if profile?.temperature != nil { present.insert("temperature") }
            extra.append(to: &additions, unless: present)
        }
        let kept = document.kept.filter { !isReplaced($0.name, document, profile) }.map(\.range)
        return JobRequest(body, keeping: kept, adding: additions, route: route)
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
