import Webhooks

extension WorkerConfiguration {
    /// `[tracing]`
    public struct Tracing: Sendable, Equatable {
        /// `nil`: no spans; trace contexts go through the worker all the same.
        public var endpoint: ServiceURL?
        /// Of the traces that begin here.
        public var sample = 1.0
        public var headersFile: String?
        public var service = "chat-worker"

        public init() {}
    }

    func tracingMistakes() -> [ConfigurationMistake] {
        guard let endpoint = tracing.endpoint, tracing.headersFile != nil, endpoint.scheme == "http",
            !endpoint.isLoopback
        else { return [] }
        return [
            mistake(
                at: ["tracing", "endpoint"],
                "tracing.headers_file would be sent to \(endpoint.host) in the clear; use https://")
        ]
    }

    /// Where spans go; `nil`: nowhere.
    func spanTarget(_ reader: SecretReader, _ report: Report) -> SpanExporter.Target? {
        guard let endpoint = tracing.endpoint else { return nil }
        let headers =
            tracing.headersFile.map { self.headers($0, at: ["tracing", "headers_file"], reader, report) } ?? []
        return SpanExporter.Target(
            endpoint: endpoint.description, host: endpoint.host, headers: headers.map { ($0.name, $0.value) },
            service: tracing.service,
            instance: workerName(in: reader.environment))
    }
}

extension WorkerConfiguration.Tracing: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "endpoint", \.endpoint, .collector,
            "Where a collector takes OTLP over HTTP as JSON; without it there are no spans, and trace contexts go from job to "
                + "gateway, replies and webhook as they came.",
            example: "\"http://127.0.0.1:4318/v1/traces\""),
        .init(
            "sample", \.sample, .number(0...1),
            "The share of traces that are recorded, of those that begin here; a job's own traceparent decides for itself."
        ),
        .init(
            optional: "headers_file", \.headersFile, .secretFile,
            "Headers of each export, one a line as `Name: value`; a file, since they may be secrets.",
            example: "\"otlp_headers\""),
        .init("service", \.service, .name(.label), "service.name of the spans."),
    ]
}

extension ConfigurationValue<ServiceURL> {
    static var collector: Self {
        .text("http:// or https:// URL") { text throws(ConfigurationValueError) in
            let url = try ServiceURL.parse(
                text, schemes: ["http", "https"],
                password: "put the line `Authorization: Basic ...` into the file of tracing.headers_file")
            guard url.user == nil else {
                throw ConfigurationValueError("must not name a user; say who asks in tracing.headers_file")
            }
            guard url.path.count > 1 else {
                throw ConfigurationValueError("needs the whole path, usually /v1/traces")
            }
            return url
        } render: {
            $0.description
        }
    }
}
