import ChatModel
import Crypto
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that gets one line of JSON for every answer that ended. Written under a lock, from every event loop.
final class TranscriptFile: Sendable {
    private let descriptor: Mutex<CInt>

    /// Throws where the file cannot be opened for appending.
    init(path: String) throws(SimulatorError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SimulatorError(.unreadableFile, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        self.descriptor = Mutex(descriptor)
    }

    deinit {
        descriptor.withLock { _ = close($0) }
    }

    func append(_ answer: SimulatedAnswer) {
        let line = Self.line(answer)
        descriptor.withLock { descriptor in
            var rest = line[...]
            while !rest.isEmpty {
                let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                guard written > 0 else { return }
                rest = rest.dropFirst(written)
            }
        }
    }

    static func line(_ answer: SimulatedAnswer) -> [UInt8] {
        let end =
            switch answer.end {
            case .complete: "complete"
            case .fault(let kind): kind
            case .abandoned: "abandoned"
            }
        let digest = SHA256.hash(data: Array(answer.text.utf8))
        var members: [JSONValue.Member] = [
            .init("request", .integer(answer.request)),
            .init("user", answer.user.map(JSONValue.string) ?? .null),
            .init("id", .string(answer.id)),
            .init("model", .string(answer.model)),
            .init("end", .string(end)),
            .init("tokens", .integer(answer.tokens)),
            .init("text_sha256", .string(Hexadecimal.string(digest))),
            .init("text", .string(answer.text)),
        ]
        if answer.texts.count > 1 {
            members.append(.init("texts", .array(answer.texts.map(JSONValue.string))))
        }
        return JSONValue.object(members).serialized() + [0x0A]
    }
}
