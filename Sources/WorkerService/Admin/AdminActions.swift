import ChatModel
import Hummingbird
import JobRunner
import Logging
import NIOCore

/// What changes something: cancel a job, replay dead letters. Only for whoever has the token of the configuration; each is
/// logged.
struct AdminActions: Sendable {
    let desk: AdminDesk
    /// `nil`: nobody may change anything here.
    let token: String?
    let logger: Logger

    private static let largestBody = 64 << 10
    private static let mostIDs = 100

    func add(to router: Router<AdminContext>) {
        router.post("/jobs/cancel") { request, context in
            let body = try await allowed(request, context)
            guard let job = body["job"]?.stringValue, Identifier.isValid(job, maximum: 128),
                let customer = body["customer"]?.stringValue, Identifier.isValid(customer, maximum: 64)
            else {
                throw HTTPError(.badRequest, message: #"say {"job": "ID", "customer": "NAME"}"#)
            }
            try await Self.mapping { try await desk.cancel(job: job, customer: customer) }
            logger.notice(
                "a cancel was written by the admin server",
                metadata: [LogKey.job: "\(job)", LogKey.customer: "\(customer)"])
            return AdminResponse.json(
                .accepted,
                .object([
                    .init("job", .string(job)), .init("customer", .string(customer)), .init("written", .bool(true)),
                ]))
        }
        router.post("/dead/replay") { request, context in
            let body = try await allowed(request, context)
            let ids = body["ids"]?.arrayValue?.compactMap(\.stringValue) ?? []
            guard !ids.isEmpty, ids.count <= Self.mostIDs else {
                throw HTTPError(
                    .badRequest, message: #"say {"ids": ["ID", ...]} with 1 to \#(Self.mostIDs) ids"#)
            }
            let done = try await Self.mapping { try await desk.replay(Set(ids)) }
            for (letter, obstacle) in done where obstacle == nil {
                logger.notice(
                    "a dead letter was replayed by the admin server",
                    metadata: [LogKey.job: "\(letter.id ?? "")", LogKey.customer: "\(letter.customer ?? "")"])
            }
            return AdminResponse.json(
                .ok,
                .object([
                    .init(
                        "letters",
                        .array(
                            done.map { letter, obstacle in
                                .object(
                                    DeadLetterRecord.summary(letter) + [
                                        .init("action", .string(obstacle == nil ? "replayed" : "kept")),
                                        .init("notes", .array(obstacle.map { [.string($0)] } ?? [])),
                                    ])
                            }))
                ]))
        }
    }

    /// Refuses whoever does not have the token.
    ///
    /// - Returns: the body.
    private func allowed(_ request: Request, _ context: AdminContext) async throws -> JSONValue {
        guard let token else {
            throw HTTPError(.forbidden, message: "nothing can be changed here: worker.conf names no admin.token_file")
        }
        guard Self.isSame(Self.bearer(request.headers[.authorization] ?? ""), token) else {
            // Whoever guesses waits.
            try? await Task.sleep(for: .milliseconds(300))
            throw HTTPError(
                .unauthorized, headers: [.wwwAuthenticate: "Bearer"], message: "the token of admin.token_file is needed"
            )
        }
        context.wantsBody()
        let bytes = try await request.body.collect(upTo: Self.largestBody)
        guard let body = try? JSONValue(parsing: Array(bytes.readableBytesView)) else {
            throw HTTPError(.badRequest, message: "the body is no JSON")
        }
        return body
    }

    /// What stands behind the scheme, whose name ignores case (RFC 9110, section 11.1); empty where it is another.
    static func bearer(_ authorization: String) -> String {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return "" }
        return String(parts[1].drop { $0 == " " })
    }

    /// In a time that does not tell where they differ.
    private static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// What the broker does not do is told as such.
    static func mapping<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch is AdminDesk.Busy {
            throw HTTPError(
                .serviceUnavailable, headers: [.retryAfter: "2"],
                message: "somebody looks at the dead letters already; ask again")
        } catch {
            throw HTTPError(.badGateway, message: "the broker: \(error)")
        }
    }
}
