public import AMQP
public import ChatModel
public import Gateway
public import JobRunner
public import Webhooks

/// What the layers below are started with. Where secrets are read, all mistakes are told at once.
extension WorkerConfiguration {
    /// For every connection; the role is appended to `connectionName` by the one who connects. The password is read here,
    /// so that a mistake is told at once, and again by each connect.
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
        configuration.passwordSource = brokerPasswordSource(in: environment)
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
        let secrets = try resolved { report in
            Dictionary(
                uniqueKeysWithValues: gateways.keys.sorted().map {
                    ($0, (keys: gatewayKeys(of: $0, reader, report), proxy: gatewayProxy(of: $0, reader, report)))
                })
        }
        var configurations: [String: GatewayConfiguration] = [:]
        for (name, gateway) in gateways {
            var configuration = gateway.configuration(named: name, keys: secrets[name]?.keys ?? [])
            configuration.proxy = secrets[name]?.proxy
            configuration.warmModels = upstreamModels(of: name)
            configurations[name] = configuration
        }
        return configurations
    }

    public func webhookConfiguration(
        in environment: ConfigurationEnvironment = .process()
    ) throws(ConfigurationErrors) -> WebhookConfiguration {
        let reader = SecretReader(environment: environment)
        return try resolved { report in
            let standard = webhookKeys(
                webhooks.secretFiles, webhooks.signingKeyFile, webhooks.oldSecretsUntil, at: ["webhooks"], reader,
                report)
            var configuration = WebhookConfiguration(
                timeout: webhooks.timeout, schedule: webhooks.schedule,
                jitter: webhooks.jitter, concurrency: webhooks.concurrency,
                insecureHosts: Set(webhooks.insecureHosts), allowedNetworks: webhooks.allowedNetworks,
                certificateAuthorityFile: webhooks.certificateAuthorityFile,
                maximumResponseSize: webhooks.maximumResponseBytes, slowDownWait: webhooks.slowDownWait,
                retryTiers: retryTiers)
            configuration.defaultKeys = standard
            configuration.options = webhookOptions
            fill(&configuration)
            configuration.proxy?.credentials = proxyCredentials(reader, report)
            for (name, customer) in webhooks.customers.inOrder {
                configuration.customerKeys[name] = webhookKeys(
                    customer.secretFiles, customer.signingKeyFile, customer.oldSecretsUntil,
                    at: ["webhooks", "customers", name], reader, report)
            }
            for (name, endpoint) in webhooks.endpoints.inOrder {
                let keys = webhookKeys(
                    endpoint.secretFiles, endpoint.signingKeyFile, endpoint.oldSecretsUntil,
                    at: ["webhooks", "endpoints", name], standard: standard, reader, report)
                configuration.endpoints[name] = WebhookConfiguration.Endpoint(
                    name: name, url: endpoint.url.description, keys: keys,
                    options: webhookOptions(of: endpoint, named: name, reader, report))
            }
            return configuration
        }
    }

    private func fill(_ configuration: inout WebhookConfiguration) {
        configuration.maximumAge = webhooks.maximumAge
        configuration.endpointConcurrency = webhooks.endpointConcurrency
        configuration.slowAfter = webhooks.slowAfter
        configuration.slowConcurrency = webhooks.slowConcurrency
        configuration.breaker = CircuitBreaker.Policy(
            failures: webhooks.breakerFailures, openTime: webhooks.breakerOpen,
            longestOpenTime: webhooks.breakerLongest, probes: webhooks.breakerProbes)
        configuration.hosts = hostRules
        configuration.onlyNetworks = webhooks.onlyNetworks
        configuration.deniedNetworks = webhooks.deniedNetworks
        configuration.proxy = webhookProxy
        configuration.cloudEventsSource = broker.prefix
    }

    /// Without its credentials, which are read from their file.
    var webhookProxy: WebhookConfiguration.Proxy? {
        webhooks.proxy.map {
            .init(host: $0.host, port: $0.port ?? 3_128, resolvesNames: webhooks.proxyResolves)
        }
    }

    var hostRules: HostRules { HostRules(allowed: webhooks.allowedHosts, denied: webhooks.deniedHosts) }

    /// The waits of `PREFIX.jobs.retry.MS` and `PREFIX.webhooks.retry.MS`.
    public var retryTiers: RetryTiers { RetryTiers(broker.retryTiers) }

    /// Rules for jobs, but for `webhookProblem`, which needs the webhooks' secrets.
    public var jobRules: JobRules {
        JobRules(
            maximumBytes: jobs.maximumBytes, customerSource: customers.source == .job ? .job : .userID,
            profiles: profiles.mapValues {
                ChatModel.Profile(
                    model: $0.model, maximumTokens: $0.maximumTokens, temperature: $0.temperature,
                    fallbacks: $0.fallbacks, extra: $0.extraBody ?? ExtraMembers())
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

    /// What the gateway calls the models that are configured for it.
    public func upstreamModels(of gateway: String) -> [String] {
        Set(models.inOrder.filter { gatewayName(of: $0.value) == gateway }.map { $0.value.upstream ?? $0.key }).sorted()
    }

    /// What jobs have to observe of each gateway.
    public var gatewayRules: [String: GatewayRules] {
        gateways.mapValues { gateway in
            GatewayRules(
                maximumInFlight: gateway.maximumInFlight == 0 ? nil : gateway.maximumInFlight,
                coolDown: CoolDownPolicy(
                    failures: gateway.coolDownAfter, first: gateway.coolDown, longest: gateway.coolDownMost))
        }
    }

    /// `nil` only where the configuration has mistakes.
    func gatewayName(of model: Model) -> String? {
        model.gateway ?? (gateways.count == 1 ? gateways.keys.first : nil)
    }

    private func route(of model: Model, named name: String) -> ModelRoute? {
        guard let gateway = gatewayName(of: model) else { return nil }
        var price: Price?
        if let input = model.inputPrice, let output = model.outputPrice {
            price = Price(
                input: input, output: output, cachedInput: model.cachedInputPrice, cacheWrite: model.cacheWritePrice)
        }
        return ModelRoute(
            gateway: gateway, upstreamModel: model.upstream ?? name,
            includeUsage: gateways[gateway]?.includeUsage ?? true, price: price, fallbacks: model.fallbacks,
            fallbackCauses: Set(model.fallbackOn),
            maximumInFlight: model.maximumInFlight == 0 ? nil : model.maximumInFlight,
            shape: RequestShape(
                limitName: model.limitName, dropped: Set(model.dropped), extra: model.extraBody ?? ExtraMembers()),
            firstChunkTimeout: model.firstChunkTimeout)
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
    func resolved<Value>(_ body: (Report) -> Value) throws(ConfigurationErrors) -> Value {
        var mistakes: [ConfigurationMistake] = []
        let value = body { mistakes.append($0) }
        let errors = mistakes.errors
        guard errors.isEmpty else { throw ConfigurationErrors(path: source.path, mistakes: errors.inFileOrder()) }
        return value
    }
}

extension WorkerConfiguration.Gateway {
    func configuration(named name: String, keys: [GatewayKey]) -> GatewayConfiguration {
        var configuration = GatewayConfiguration(
            name: name, transport: isEventStream ? .sse : .websocket, endpoint: endpoint, apiKey: "",
            certificateAuthorityFile: certificateAuthorityFile,
            connectTimeout: connectTimeout, firstChunkTimeout: firstChunkTimeout, idleTimeout: idleTimeout,
            endGrace: endGrace, keepIdle: keepIdle, maximumAge: maximumAge, maximumIdle: maximumIdle,
            maximumMessageSize: maximumMessageBytes, maximumFragments: maximumFragments)
        configuration.keys = keys.isEmpty ? configuration.keys : keys
        configuration.keyHeader = keyHeader
        configuration.bodyEndTimeout = bodyEndTimeout
        configuration.idsChange = idsChange
        configuration.clientCertificate = clientCertificate
        configuration.minimumIdle = minimumIdle
        configuration.pingInterval = pingInterval
        configuration.pongTimeout = pongTimeout
        configuration.errorPhrases = errors.phrases
        return configuration
    }

    /// The address speaks HTTP: only the one transport goes with it.
    var hasHTTPAddress: Bool { url.scheme == "https" || url.scheme == "http" }

    var isEventStream: Bool { transport.map { $0 == .sse } ?? hasHTTPAddress }

    /// `wss://host`, `wss://host/v1` and `wss://host/v1/realtime/chat/completions` are the same, and so are
    /// `https://host`, `https://host/v1` and `https://host/v1/chat/completions`. A query is kept.
    var endpoint: GatewayConfiguration.Endpoint {
        var path = url.path
        while path.hasSuffix("/") { path.removeLast() }
        if path.isEmpty { path = "/v1" }
        if !path.hasSuffix("/chat/completions") {
            path += isEventStream ? "/chat/completions" : "/realtime/chat/completions"
        }
        if let query = url.query, !query.isEmpty { path += "?" + query }
        let isSecure = url.scheme == "wss" || url.scheme == "https"
        return GatewayConfiguration.Endpoint(
            isSecure: isSecure, host: url.host, port: url.port ?? (isSecure ? 443 : 80), path: path)
    }
}
