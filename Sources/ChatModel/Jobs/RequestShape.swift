/// How a model wants its requests: what it calls the limit of an answer, what it must not be sent, and what it is sent besides.
///
/// What stays in a request is copied as it stands, never decoded and encoded again.
public struct RequestShape: Sendable, Equatable {
    /// The two names of the limit. A request has one of them.
    public enum LimitName: String, Sendable, CaseIterable {
        case maximumTokens = "max_tokens"
        case maximumCompletionTokens = "max_completion_tokens"

        /// The name that is meant where this one is refused.
        public var other: LimitName { self == .maximumTokens ? .maximumCompletionTokens : .maximumTokens }
    }

    /// `nil`: as the request has it.
    public var limitName: LimitName?
    /// Top-level members that are left out.
    public var dropped: Set<String>
    /// Members that are added if the request, without what is left out, has none of that name.
    public var extra: ExtraMembers

    public init(limitName: LimitName? = nil, dropped: Set<String> = [], extra: ExtraMembers = ExtraMembers()) {
        self.limitName = limitName
        self.dropped = dropped
        self.extra = extra
    }

    /// It leaves every request as it is.
    public var isEmpty: Bool { limitName == nil && dropped.isEmpty && extra.isEmpty }

    /// What both say; `other` wins where they differ.
    public func merged(with other: RequestShape) -> RequestShape {
        RequestShape(
            limitName: other.limitName ?? limitName, dropped: dropped.union(other.dropped),
            extra: other.extra.isEmpty ? extra : other.extra)
    }

    /// - Parameter request: a JSON object. Anything else stays as it is.
    public func applied(to request: [UInt8]) -> [UInt8] {
        guard !isEmpty, let members = RequestMember.all(of: request) else { return request }
        var kept = members.filter { !dropped.contains($0.name) }
        if let limitName { kept = Self.renamed(kept, to: limitName) }
        var output: [UInt8] = [0x7B]
        output.reserveCapacity(request.count + 64 + extra.size)
        for member in kept {
            if output.count > 1 { output.append(0x2C) }
            if member.isRenamed {
                JSONText.appendQuoted(member.name.utf8, to: &output)
                output.append(0x3A)
                output.append(contentsOf: request[member.value])
            } else {
                output.append(contentsOf: request[member.whole])
            }
        }
        extra.append(to: &output, unless: Set(kept.map(\.name)))
        output.append(0x7D)
        return output
    }

    /// Both names may stand in a request: one that has a value wins over a null, and then the wanted one over the other.
    private static func renamed(_ members: [RequestMember], to name: LimitName) -> [RequestMember] {
        let limits = members.filter { LimitName(rawValue: $0.name) != nil }
        let valued = limits.filter { !$0.isNull }
        let chosen = [valued, limits].lazy.compactMap { some in
            some.first { $0.name == name.rawValue } ?? some.first
        }.first
        return members.compactMap { member in
            guard LimitName(rawValue: member.name) != nil else { return member }
            guard member.name == chosen?.name else { return nil }
            var member = member
            member.isRenamed = member.name != name.rawValue
            member.name = name.rawValue
            return member
        }
    }
}

/// Members that a configuration adds to requests.
public struct ExtraMembers: Sendable, Equatable {
    private var members: [JSONValue.Member] = []

    public init() {}

    /// - Returns: `nil` if the value is no object.
    public init?(_ value: JSONValue) {
        guard case .object(let members) = value else { return nil }
        self.members = members
    }

    public var isEmpty: Bool { members.isEmpty }
    public var names: [String] { members.map(\.key) }
    /// As JSON.
    public var value: JSONValue { .object(members) }

    /// About so many bytes.
    var size: Int { isEmpty ? 0 : value.serialized().count }

    /// Writes each that has no name of these, into an object that has begun. A limit stands there under either of its names.
    func append(to output: inout [UInt8], unless present: Set<String>) {
        for member in members {
            let other = RequestShape.LimitName(rawValue: member.key)?.other.rawValue ?? member.key
            if present.contains(member.key) || present.contains(other) { continue }
            if output.last != 0x7B { output.append(0x2C) }
            JSONText.appendQuoted(member.key.utf8, to: &output)
            output.append(0x3A)
            member.value.append(to: &output)
        }
    }
}

/// A top-level member of a request.
private struct RequestMember {
    var name: String
    /// From the key's opening quote to the end of the value.
    var whole: Range<Int>
    var value: Range<Int>
    var isNull: Bool
    /// Its key is no longer what stands there.
    var isRenamed = false

    /// In their order; `nil` where the bytes are no JSON object.
    static func all(of request: [UInt8]) -> [RequestMember]? {
        request.withUnsafeBytes { bytes in
            var cursor = JSONCursor(bytes)
            var members: [RequestMember] = []
            do throws(JSONError) {
                try cursor.expect(0x7B)
                if try !cursor.isEmptyContainer(closing: 0x7D) {
                    repeat {
                        cursor.skipWhitespace()
                        let start = cursor.offset
                        let name = JSONText.string(cursor.bytes(try cursor.key().range))
                        let value = try cursor.skipValue(depth: JobParser.maximumDepth)
                        members.append(
                            RequestMember(
                                name: name, whole: start..<value.end, value: Int(value.start)..<value.end,
                                isNull: cursor.bytes(value).first == 0x6E))
                    } while try cursor.nextElement(closing: 0x7D)
                }
                try cursor.expectEnd()
            } catch {
                return nil
            }
            return members
        }
    }
}
