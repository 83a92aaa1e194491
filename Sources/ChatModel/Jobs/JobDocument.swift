/// A job's body after one strict reading: the members that matter here, and where everything stands.
struct JobDocument {
    /// A top-level member that goes to the gateway as it stands.
    struct Member {
        var name: String
        /// From the key's opening quote to the end of the value.
        var range: ByteRange
    }

    var kept: [Member] = []
    var job = JobBlock()
    var model: String?
    var hasMessages = false
    var choiceCount = 1
    var hasMaximumTokens = false
    /// The smaller one, where both names stand in it.
    var maximumTokens: Int?
    var hasTemperature = false
    /// The first thing that is wrong. What could be read beside it stands here all the same, so that whoever sent the
    /// job can be told.
    private(set) var refusal: InvalidJob?

    init(reading body: [UInt8]) {
        body.withUnsafeBytes { bytes in
            do throws(InvalidJob) { try read(bytes) } catch { refusal = refusal ?? error }
        }
    }

    /// Throws where the body is no JSON object at all.
    private mutating func read(_ bytes: UnsafeRawBufferPointer) throws(InvalidJob) {
        do throws(JSONError) {
            try JSONStrictness.validate(bytes, maximumDepth: JobParser.maximumDepth)
        } catch {
            throw InvalidJob(field: error.key.map { "body (\($0))" } ?? "body", reason: "\(error)")
        }
        var cursor = JSONCursor(bytes)
        do throws(JSONError) {
            guard try cursor.peek() == 0x7B else {
                throw JSONError(.unexpectedByte, at: cursor.offset)
            }
        } catch {
            throw InvalidJob(field: "body", reason: "the body must be a JSON object: a chat completion request")
        }
        do throws(JSONError) {
            try cursor.expect(0x7B)
            guard try !cursor.isEmptyContainer(closing: 0x7D) else { return }
            repeat {
                cursor.skipWhitespace()
                let start = cursor.offset
                let name = JSONText.string(cursor.bytes(try cursor.key().range))
                let value = try cursor.skipValue(depth: JobParser.maximumDepth)
                let member = Member(name: name, range: ByteRange(from: start, to: value.end))
                do throws(InvalidJob) {
                    try take(name, member, cursor.bytes(value))
                } catch {
                    refusal = refusal ?? error
                }
            } while try cursor.nextElement(closing: 0x7D)
        } catch {
            throw InvalidJob(field: "body", reason: "\(error)")
        }
    }

    private mutating func take(_ name: String, _ member: Member, _ value: UnsafeRawBufferPointer) throws(InvalidJob) {
        switch name {
        case "job":
            guard value.first != 0x6E else { break }
            job = JobBlock(reading: value)
            if let refusal = job.refusal { throw refusal }
        case "stream", "stream_options": break
        case "model":
            guard value.first != 0x6E else { break }
            guard let text = Self.parsed(value)?.stringValue, !text.isEmpty, text.utf8.count <= 256 else {
                throw InvalidJob(field: "model", reason: "model must be a string of 1 to 256 bytes")
            }
            try PlainText.check(text, "model")
            model = text
        case "messages":
            hasMessages = value.first == 0x5B && !(Self.parsed(value)?.arrayValue ?? []).isEmpty
            kept.append(member)
        case "n":
            kept.append(member)
            guard value.first != 0x6E else { break }
            guard let count = Self.parsed(value)?.integerValue, (1...128).contains(count) else {
                throw InvalidJob(field: "n", reason: "n must be a whole number from 1 to 128")
            }
            choiceCount = count
        case "max_tokens", "max_completion_tokens":
            hasMaximumTokens = hasMaximumTokens || value.first != 0x6E
            if let tokens = Self.parsed(value)?.integerValue, tokens >= 0 {
                maximumTokens = min(tokens, maximumTokens ?? tokens)
            }
            kept.append(member)
        case "temperature":
            hasTemperature = value.first != 0x6E
            kept.append(member)
        default: kept.append(member)
        }
    }

    private static func parsed(_ value: UnsafeRawBufferPointer) -> JSONValue? { try? JSONValue(parsing: value) }
}

/// The `job` object of a body.
struct JobBlock {
    var id: String?
    var customer: String?
    var profile: String?
    var replyTo: String?
    var webhook: String?
    var deadline: String?
    /// As it stands in the body.
    var metadata: [UInt8]?
    /// The first thing that is wrong in it.
    private(set) var refusal: InvalidJob?

    init() {}

    init(reading bytes: UnsafeRawBufferPointer) {
        guard let value = try? JSONValue(parsing: bytes), case .object(let members) = value else {
            refusal = InvalidJob(field: "job", reason: "job must be an object")
            return
        }
        for member in members where !member.value.isNull {
            do throws(InvalidJob) { try take(member, in: bytes) } catch { refusal = refusal ?? error }
        }
    }

    private mutating func take(_ member: JSONValue.Member, in bytes: UnsafeRawBufferPointer) throws(InvalidJob) {
        switch member.key {
        case "id": id = try Self.text(member)
        case "customer": customer = try Self.text(member)
        case "profile": profile = try Self.text(member)
        case "reply_to": replyTo = try Self.text(member)
        case "webhook": webhook = try Self.text(member)
        case "deadline": deadline = try Self.text(member)
        case "metadata":
            guard case .object = member.value else {
                throw InvalidJob(field: "job.metadata", reason: "job.metadata must be an object")
            }
            metadata = Self.rawValue(of: "metadata", in: bytes)
        default:
            throw InvalidJob(
                field: "job.\(member.key.prefix(64))",
                reason:
                    "there is no such field; job has id, customer, profile, reply_to, webhook, deadline, metadata")
        }
    }

    private static func text(_ member: JSONValue.Member) throws(InvalidJob) -> String {
        guard let text = member.value.stringValue else {
            throw InvalidJob(field: "job.\(member.key)", reason: "job.\(member.key) must be a string")
        }
        return text
    }

    /// The bytes of a member's value, so that it is echoed untouched.
    private static func rawValue(of name: String, in bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var cursor = JSONCursor(bytes)
        do throws(JSONError) {
            try cursor.expect(0x7B)
            repeat {
                let key = JSONText.string(cursor.bytes(try cursor.key().range))
                let value = try cursor.skipValue(depth: JobParser.maximumDepth)
                if key == name { return Array(cursor.bytes(value)) }
            } while try cursor.nextElement(closing: 0x7D)
        } catch {
            return nil
        }
        return nil
    }
}
