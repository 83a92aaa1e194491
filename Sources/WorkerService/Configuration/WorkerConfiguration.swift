/// Everything that `worker.conf` says, read and checked once at start. Plain values; secrets are only named.
///
/// Each table is a struct with its defaults as initial values, next to the list of its keys.
public struct WorkerConfiguration: Sendable, Equatable {
    public var broker = Broker()
    public var jobs = Jobs()
    public var customers = Customers()
    public var fairness = Fairness()
    public var budgets = Budgets()
    public var replies = Replies()
    public var gateways: [String: Gateway] = [:]
    /// By the name that jobs use.
    public var models: [String: Model] = [:]
    public var profiles: [String: Profile] = [:]
    public var limits = Limits()
    public var retry = Retry()
    public var webhooks = Webhooks()
    public var worker = Worker()
    public var admin = Admin()
    public var tracing = Tracing()
    /// Where all this was read from.
    public var source = ConfigurationSource()

    public init() {}
}

/// The file behind a configuration, for messages.
public struct ConfigurationSource: Sendable, Equatable {
    /// As it was named.
    public var path: String
    var lines = TOMLKeyLines()

    public init(path: String = "worker.conf") {
        self.path = path
    }
}

extension WorkerConfiguration: ConfigurationTable {
    static var keys: [ConfigurationKey<Self>] { [] }

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            "broker", \.broker, "The RabbitMQ broker: jobs come from it, replies go to it, and all state lives in it."),
        .init("jobs", \.jobs, "Jobs: how many, how large."),
        .init("customers", \.customers, "Who a job belongs to."),
        .init(
            "fairness", \.fairness,
            "How customers share this worker's places: they take turns by the tokens of their answers. It works among the "
                + "jobs that the worker holds (jobs.concurrency x jobs.prefetch_factor); what lies behind them in the "
                + "queue waits for them."),
        .init(
            "budgets", \.budgets,
            "What customers may spend, by the prices of [models]; days and months are those of UTC. What a job may cost is "
                + "reserved when it starts; an answer that would go over is cut, and a job whose budget is used up is not "
                + "begun: both end with an error of type budget_exceeded."),
        .init("replies", \.replies, "Where answers stream to."),
        .init(
            each: "gateways", \.gateways, named: .label, example: "main",
            "Model gateways, one table each; NAME is used by [models.*], in logs and metrics. An http:// or https:// url is "
                + "asked as OpenAI is: a POST, answered with server-sent events. OpenAI: https://api.openai.com/v1; Azure: "
                + "https://NAME.openai.azure.com/openai/v1 with key_header = \"api-key\" and key_prefix = \"\"; on this "
                + "machine vLLM: http://127.0.0.1:8000/v1, Ollama: http://127.0.0.1:11434/v1, llama.cpp: "
                + "http://127.0.0.1:8080/v1, with key_file = \"\" where they ask for no key, else key_prefix = \"\"."),
        .init(
            each: "models", \.models, named: .model, example: "\"gpt-4.1\"",
            "Models, by the name that jobs use, with prices in USD for a million tokens."),
        .init(
            each: "profiles", \.profiles, named: .label, example: "general",
            "Profiles: ready settings that a job picks by name; what the job itself says wins."),
        .init("limits", \.limits, "Times."),
        .init("retry", \.retry, "How often and how patiently a job is tried again."),
        .init("webhooks", \.webhooks, "Delivery of final results to customers' webhooks (Standard Webhooks)."),
        .init("worker", \.worker, "This process."),
        .init(
            "admin", \.admin,
            "Health, metrics and state for operators: /live, /ready, /metrics (Prometheus), /status (JSON)."),
        .init(
            "tracing", \.tracing,
            "Spans of OpenTelemetry: one for each job, one for each request to a gateway, one for each webhook try."),
    ]
}
