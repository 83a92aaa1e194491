/// How the webhooks of an endpoint are made; for URLs that jobs name, `[webhooks]` says it.
public struct WebhookOptions: Sendable, Equatable {
    public enum Payload: String, Sendable, CaseIterable {
        case full
        /// Ids, status and usage; no text leaves through the webhook.
        case thin
    }

    public enum Ordering: String, Sendable, CaseIterable {
        case none
        /// One customer's results one after another.
        case customer
    }

    /// A certificate and its key, PEM files.
    public struct ClientCertificate: Sendable, Hashable {
        public var certificateFile: String
        public var keyFile: String

        public init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var payload = Payload.full
    /// A full body over so many bytes becomes a thin one.
    public var maximumPayloadSize = 1 << 20
    public var events = Set(WebhookEventType.jobEvents)
    /// Also send CloudEvents' headers (HTTP binary mode).
    public var cloudEvents = false
    public var ordering = Ordering.none
    /// Secrets, perhaps: never for a log.
    public var headers: [Header] = []
    public var clientCertificate: ClientCertificate?

    public init() {}
}
