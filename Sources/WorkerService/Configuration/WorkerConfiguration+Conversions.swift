public import AMQP
public import ChatModel
public import Gateway
public import Webhooks

/// What the layers below are started with. Where secrets are read, all mistakes are told at once.
extension WorkerConfiguration {
    /// For every connection; the role is appended to `connectionName` by the one who connects.
    public func amqpConfiguration(
        in environment: ConfigurationEnvironment = .process()
    ) throws(ConfigurationErrors) -> AMQPConfiguration {
        let password = try resolved { report in
            brokerPassword(SecretReader(environment: environment), report)
        }
        let port = broker.url.port ?? (broker.usesTLS ? 5671 : 5672)
        var configuration = AMQPConfiguration(
            addresses: [AMQPConfiguration.Address(host: broker.url.host, port: port)]
                + broker.hosts.map { AMQPConfiguration.Address(host: $0.host, port: $0.port ?? port) },
            virtualHost: brokerVirtualHost, username: brokerUsername, password: password ?? "",
            heartbeat: broker.heartbeat, timeout: broker.timeout, connectionName: workerName(in: environment),
            reconnectFirst: broker.reconnectFirst, reconnectMost: broker.reconnectMost)
        if broker.usesTLS {
            var tls = AMQPConfiguration.TLS(
                clientCertificateFile: broker.clientCertificateFile, clientKeyFile: broker.clientKeyFile)
            if let file = broker.certificateAuthorityFile { tls.certificateAuthorityFile = file }
            configuration.tls = tls
        }
        return configuration
    }

    /// All gateways, by name.
    public func gatewayConfigurations(
        in environment: ConfigurationEnvironment = .process()
    ) throws(ConfigurationErrors) -> [String: GatewayConfiguration] {
        let reader = SecretReader(environment: environment)
        let keys = try resolved { report in
            Dictionary(uniqueKeysWithValues: gateways.keys.sorted().map { ($0, gatewayKey(of: $0, reader, report)) })
        }
        var configurations: [String: GatewayConfiguration] = [:]
        for (name, gateway) in gateways {
            configurations[name] = gateway.configuration(named: name, key: keys[name].flatMap { $0 } ?? "")
        }
        return configurations
    }

    public func webhookConfiguration(
        in environment: ConfigurationEnvironment = .process()
    ) throws(ConfigurationErrors) -> WebhookConfiguration {
        let reader = SecretReader(environment: environment)
        return try resolved { report in
            func secrets(_ files: [String], at path: [String]) -> [WebhookSecret] {
                webhookSecrets(files, at: path, reader, report)
            }
            let standard = secrets(webhooks.secretFiles, at: ["webhooks"])
            var configuration = WebhookConfiguration(
                defaultSecrets: standard, timeout: webhooks.timeout, schedule: webhooks.schedule,
                jitter: webhooks.jitter, concurrency: webhooks.concurrency,
                insecureHosts: Set(webhooks.insecureHosts), allowedNetworks: webhooks.allowedNetworks,
                certificateAuthorityFile: webhooks.certificateAuthorityFile,
                maximumResponseSize: webhooks.maximumResponseBytes, slowDownWait: webhooks.slowDownWait,
                retryTiers: retryTiers)
            for (name, customer) in webhooks.customers.inOrder {
                configuration.customerSecrets[name] = secrets(
                    customer.secretFiles, at: ["webhooks", "customers", name])
            }
            for (name, endpoint) in webhooks.endpoints.inOrder {
                let own = secrets(endpoint.secretFiles, at: ["webhooks", "endpoints", name])
                configuration.endpoints[name] = WebhookConfiguration.Endpoint(
                    name: name, url: endpoint.url.description, secrets: endpoint.secretFiles.isEmpty ? standard : own)
            }
            return configuration
        }
    }

    /// The waits of `PREFIX.jobs.retry.MS` and `PREFIX.webhooks.retry.MS`.
    public var retryTiers: RetryTiers { RetryTiers(broker.retryTiers) }

    /// Rules for jobs, but for `webhookProblem`, which needs the webhooks' secrets.
    public var jobRules: JobRules {
        JobRules(
            maximumBytes: jobs.maximumBytes, customerSource: customers.source == .job ? .job : .userID,
            profiles: profiles.mapValues {
                ChatModel.Profile(model: $0.model, maximumTokens: $0.maximumTokens, temperature: $0.temperature)
            },
            models: Dictionary(
                uniqueKeysWithValues: models.compactMap { name, model in
                    route(of: model, named: name).map { (name, $0) }
                }),
            defaultRoute: jobs.defaultGateway.map { gateway in
                ModelRoute(
                    gateway: gateway, upstreamModel: "", includeUsage: gateways[gateway]?.includeUsage ?? true)
            },
            replies: ReplyRules(
                allow: replies.allow, allowsDirectReplyTo: replies.allowsDirectReplyTo,
                defaultQueue: replies.defaultQueue.isEmpty ? nil : replies.defaultQueue))
    }

    /// `nil` only where the configuration has mistakes.
    func gatewayName(of model: Model) -> String? {
        model.gateway ?? (gateways.count == 1 ? gateways.keys.first : nil)
    }

    private func route(of model: Model, named name: String) -> ModelRoute? {
        guard let gateway = gatewayName(of: model) else { return nil }
        var price: Price?
        if let input = model.inputPrice, let output = model.outputPrice { price = Price(input: input, output: output) }
        return ModelRoute(
            gateway: gateway, upstreamModel: model.upstream ?? name,
            includeUsage: gateways[gateway]?.includeUsage ?? true, price: price)
    }

    // MARK: - Names

    public var brokerUsername: String { broker.username ?? broker.url.user ?? "guest" }
    public var brokerVirtualHost: String { broker.virtualHost ?? urlVirtualHost ?? "/" }

    /// `nil` where the URL names none; an empty path behind the `/` names none either.
    var urlVirtualHost: String? {
        let name = broker.url.path.dropFirst()
        guard !name.isEmpty else { return nil }
        do throws(ConfigurationValueError) { return try ServiceURL.decoded(name) } catch { return nil }
    }

    /// In logs and in the broker's UI: the configured name, else host and instance (of `chat-worker@1.service`), else
    /// host and process number.
    public func workerName(in environment: ConfigurationEnvironment = .process()) -> String {
        if !worker.name.isEmpty { return worker.name }
        let instance = environment.variable("CHAT_WORKER_INSTANCE") ?? ""
        return "\(environment.hostName)-\(instance.isEmpty ? "\(environment.processID)" : instance)"
    }

    /// Runs `body`; throws what it reports as errors, and drops warnings (`check` tells them).
    private func resolved<Value>(_ body: (Report) -> Value) throws(ConfigurationErrors) -> Value {
        var mistakes: [ConfigurationMistake] = []
        let value = body { mistakes.append($0) }
        let errors = mistakes.errors
        guard errors.isEmpty else { throw ConfigurationErrors(path: source.path, mistakes: errors.inFileOrder()) }
        return value
    }
}

extension WorkerConfiguration.Gateway {
    func configuration(named name: String, key: String) -> GatewayConfiguration {
        GatewayConfiguration(
            name: name, transport: isEventStream ? .sse : .websocket, endpoint: endpoint, apiKey: key,
            certificateAuthorityFile: certificateAuthorityFile,
            connectTimeout: connectTimeout, firstChunkTimeout: firstChunkTimeout, idleTimeout: idleTimeout,
            endGrace: endGrace, keepIdle: keepIdle, maximumAge: maximumAge, maximumIdle: maximumIdle,
            maximumMessageSize: maximumMessageBytes, maximumFragments: maximumFragments)
    }

    /// The address speaks HTTP: only the one transport goes with it.
    var hasHTTPAddress: Bool { url.scheme == "https" || url.scheme == "http" }

    var isEventStream: Bool { transport.map { $0 == .sse } ?? hasHTTPAddress }

    /// `wss://host`, `wss://host/v1` and `wss://host/v1/realtime/chat/completions` are the same, and so are
    /// `https://host`, `https://host/v1` and `https://host/v1/chat/completions`.
    var endpoint: GatewayConfiguration.Endpoint {
        var path = url.path
        while path.hasSuffix("/") { path.removeLast() }
        if path.isEmpty { path = "/v1" }
        if !path.hasSuffix("/chat/completions") {
            path += isEventStream ? "/chat/completions" : "/realtime/chat/completions"
        }
        let isSecure = url.scheme == "wss" || url.scheme == "https"
        return GatewayConfiguration.Endpoint(
            isSecure: isSecure, host: url.host, port: url.port ?? (isSecure ? 443 : 80), path: path)
    }
}
