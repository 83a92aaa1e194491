import ChatModel
import Webhooks

/// What has to hold between keys. Pure: the file alone decides.
extension WorkerConfiguration {
    /// Errors and warnings.
    func ruleMistakes() -> [ConfigurationMistake] {
        brokerMistakes() + jobMistakes() + replyMistakes() + modelMistakes() + routeMistakes() + requestMistakes()
            + proxyMistakes() + clientCertificateMistakes()
            + timeMistakes()
            + fairnessMistakes() + budgetMistakes() + webhookMistakes() + adminMistakes()
            + tracingMistakes()
    }

    // MARK: - [broker]

    private func brokerMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        if let user = broker.url.user, let username = broker.username, user != username {
            found.append(mistake(at: ["broker", "username"], "says another user than broker.url; keep one of the two"))
        }
        if let host = urlVirtualHost, let key = broker.virtualHost, host != key {
            found.append(
                mistake(at: ["broker", "vhost"], "says another virtual host than broker.url; keep one of the two"))
        }
        switch (broker.clientCertificateFile, broker.clientKeyFile) {
        case (.some, nil):
            found.append(mistake(at: ["broker", "client_certificate_file"], "needs client_key_file beside it"))
        case (nil, .some):
            found.append(mistake(at: ["broker", "client_key_file"], "needs client_certificate_file beside it"))
        default: break
        }
        if !broker.usesTLS {
            let files = [
                ("ca_file", broker.certificateAuthorityFile), ("client_certificate_file", broker.clientCertificateFile),
            ]
            for (key, file) in files where file != nil {
                found.append(
                    mistake(.warning, at: ["broker", key], "is not used with amqp://; write amqps:// for TLS"))
            }
            let remote = ([broker.url.host] + broker.hosts.map(\.host)).filter { !ServiceURL.isLoopback($0) }
            if let host = remote.first {
                found.append(
                    mistake(
                        .warning, at: ["broker", "url"],
                        "password, jobs and answers go to \(host) in the clear; amqps:// encrypts them"))
            }
        }
        if brokerUsername == "guest", !broker.url.isLoopback {
            found.append(
                mistake(
                    .warning, at: ["broker", "username"],
                    "RabbitMQ lets `guest` in from its own machine only; make a user for the worker"))
        }
        if broker.reconnectFirst > broker.reconnectMost {
            found.append(mistake(at: ["broker", "reconnect_first"], "is longer than reconnect_most"))
        }
        for (index, (left, right)) in zip(broker.retryTiers, broker.retryTiers.dropFirst()).enumerated()
        where left >= right {
            found.append(
                mistake(
                    at: ["broker", "retry_tiers", "[\(index + 1)]"], "must be longer than the one before; sort the list"
                ))
        }
        return found
    }

    // MARK: - [jobs]

    private func jobMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        if Double(jobs.concurrency) * jobs.prefetchFactor > 65_535 {
            found.append(
                mistake(
                    at: ["jobs", "prefetch_factor"],
                    "times jobs.concurrency (\(jobs.concurrency)) is over 65535, the most that AMQP can say; lower one")
            )
        }
        if let gateway = jobs.defaultGateway, gateways[gateway] == nil {
            found.append(mistake(at: ["jobs", "default_gateway"], unknownGateway(gateway)))
        }
        return found
    }

    // MARK: - [replies]

    private func replyMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        for (index, pattern) in replies.allow.enumerated() where QueuePattern.isShared(pattern) {
            found.append(
                mistake(
                    .warning, at: ["replies", "allow", "[\(index)]"],
                    "has no {customer}: every customer may reply to `\(pattern)`"))
        }
        let queue = replies.defaultQueue
        if !queue.isEmpty {
            if QueuePattern.isShared(queue) {
                found.append(
                    mistake(
                        .warning, at: ["replies", "default_queue"],
                        "has no {customer}: all answers go to `\(queue)`, whoever asked"))
            }
            let rules = ReplyRules(allow: replies.allow, allowsDirectReplyTo: false, defaultQueue: queue)
            if let example = rules.defaultQueue(of: "a"), !rules.allows(example, for: "a") {
                found.append(mistake(at: ["replies", "default_queue"], "is not among replies.allow; add it there"))
            }
        } else if replies.declare != .none {
            found.append(mistake(at: ["replies", "declare"], "declares the default queue, and default_queue is empty"))
        }
        if replies.exchange != nil, replies.declare != .none {
            found.append(
                mistake(
                    .warning, at: ["replies", "declare"],
                    "has no use with replies.exchange: readers bind queues of their own"))
        }
        return found
    }

    // MARK: - [gateways], [models], [profiles]

    private func modelMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        for (name, gateway) in gateways.inOrder {
            if let transport = gateway.transport, (transport == .sse) != gateway.hasHTTPAddress {
                let schemes = transport == .sse ? "https:// or http://" : "wss:// or ws://"
                found.append(
                    mistake(
                        at: ["gateways", name, "transport"],
                        "`\(transport.rawValue)` needs a url with \(schemes), not \(gateway.url.scheme)://"))
            }
            if let secure = ["ws": "wss", "http": "https"][gateway.url.scheme], !gateway.url.isLoopback {
                found.append(
                    mistake(
                        .warning, at: ["gateways", name, "url"],
                        "the key, prompts and answers go to \(gateway.url.host) in the clear; \(secure):// encrypts them"
                    ))
            }
            if gateway.minimumIdle > gateway.maximumIdle {
                found.append(mistake(at: ["gateways", name, "min_idle"], "is over max_idle (\(gateway.maximumIdle))"))
            }
            if gateway.keyFile.isEmpty, gateway.keyVariable != nil {
                found.append(
                    mistake(at: ["gateways", name, "key_env"], "is never asked: key_file is empty, so no key is sent"))
            }
        }
        var upstreams: [String: String] = [:]
        for (name, model) in models.inOrder {
            if let gateway = model.gateway, gateways[gateway] == nil {
                found.append(mistake(at: ["models", name, "gateway"], unknownGateway(gateway)))
            } else if model.gateway == nil, gateways.count != 1 {
                let names = gateways.keys.sorted().joined(separator: ", ")
                let which = gateways.isEmpty ? "there is no [gateways.NAME]" : "there are several gateways: \(names)"
                found.append(mistake(at: ["models", name, "gateway"], "must be named: \(which)"))
            }
            if (model.inputPrice == nil) != (model.outputPrice == nil) {
                let key = model.inputPrice == nil ? "output_price" : "input_price"
                found.append(
                    mistake(at: ["models", name, key], "needs the other price beside it, or the cost is wrong"))
            }
            let cachePrices = [
                ("cached_input_price", model.cachedInputPrice), ("cache_write_price", model.cacheWritePrice),
            ]
            for (key, price) in cachePrices where price != nil && model.inputPrice == nil {
                found.append(mistake(at: ["models", name, key], "needs input_price and output_price beside it"))
            }
            let upstream = "\(gatewayName(of: model) ?? "")/\(model.upstream ?? name)"
            if let other = upstreams.updateValue(name, forKey: upstream) {
                found.append(
                    mistake(
                        .warning, at: ["models", name],
                        "is the same model of the same gateway as `\(other)`; they share no connections"))
            }
        }
        for (name, profile) in profiles.inOrder {
            guard let model = profile.model, models[model] == nil, jobs.defaultGateway == nil else { continue }
            found.append(
                mistake(
                    at: ["profiles", name, "model"],
                    "there is no [models.\(TOMLText.key(model))]" + Spelling.hint(for: model, among: models.keys)
                        + (models.isEmpty ? "; add it" : "")))
        }
        return found
    }

    private func unknownGateway(_ name: String) -> String {
        let hint = Spelling.hint(for: name, among: gateways.keys)
        return "there is no [gateways.\(TOMLText.key(name))]\(hint)"
    }

    // MARK: - [limits]

    private func timeMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        let total = DurationText.render(limits.totalTimeout)
        if limits.totalTimeout + limits.parkAfter >= broker.consumerTimeout { found.append(heldTooLong) }
        if retry.inWorker >= limits.totalTimeout {
            found.append(
                mistake(
                    .warning, at: ["retry", "in_worker"],
                    "after such a wait there is no time left for a try: limits.total_timeout is \(total)"))
        }
        for (name, gateway) in gateways.inOrder {
            let times = [
                ("connect_timeout", gateway.connectTimeout), ("first_chunk_timeout", gateway.firstChunkTimeout),
                ("idle_timeout", gateway.idleTimeout),
            ]
            for (key, time) in times where time > limits.totalTimeout {
                found.append(
                    mistake(
                        .warning, at: ["gateways", name, key],
                        "never comes: limits.total_timeout (\(total)) is shorter"))
            }
            if gateway.keepIdle > gateway.maximumAge {
                found.append(mistake(.warning, at: ["gateways", name, "keep_idle"], "is longer than max_age"))
            }
        }
        return found
    }

    // MARK: - [webhooks]

    private func webhookMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        if webhooks.prefetch < webhooks.concurrency {
            found.append(
                mistake(
                    at: ["webhooks", "prefetch"],
                    "is under webhooks.concurrency (\(webhooks.concurrency)), which could never be reached"))
        }
        for (name, endpoint) in webhooks.endpoints.inOrder {
            let path = ["webhooks", "endpoints", name]
            if (endpoint.clientCertificateFile == nil) != (endpoint.clientKeyFile == nil) {
                let (key, other) =
                    endpoint.clientKeyFile == nil
                    ? ("client_certificate_file", "client_key_file") : ("client_key_file", "client_certificate_file")
                found.append(mistake(at: path + [key], "needs \(other) beside it"))
            }
            if endpoint.secretFiles.isEmpty, webhooks.secretFiles.isEmpty {
                found.append(mistake(at: path + ["secret_files"], "is missing, and [webhooks] has none either"))
            }
            if endpoint.url.scheme == "http", !webhooks.insecureHosts.contains(endpoint.url.host) {
                found.append(
                    mistake(
                        at: path + ["url"],
                        "must be https://, or its host must stand in webhooks.allow_http_hosts"))
            }
        }
        if let warning = scheduleTooLong { found.append(warning) }
        if webhooks.proxy == nil, webhooks.proxyCredentialsFile != nil {
            found.append(mistake(at: ["webhooks", "proxy_credentials_file"], "needs webhooks.proxy beside it"))
        }
        if webhooks.breakerOpen > webhooks.breakerLongest {
            found.append(mistake(at: ["webhooks", "breaker_open"], "is longer than breaker_longest"))
        }
        if webhooks.secretFiles.isEmpty, webhooks.customers.isEmpty, webhooks.endpoints.isEmpty {
            found.append(
                mistake(
                    .warning, at: ["webhooks", "secret_files"],
                    "there is no signing secret: every job that names a webhook is invalid"))
        }
        for host in webhooks.insecureHosts where !ServiceURL.isLoopback(host) {
            found.append(
                mistake(
                    .warning, at: ["webhooks", "allow_http_hosts"], "results go to \(host) in the clear, though signed")
            )
        }
        for (index, network) in webhooks.allowedNetworks.enumerated() where network.prefixLength == 0 {
            found.append(
                mistake(
                    .warning, at: ["webhooks", "allow_networks", "[\(index)]"],
                    "opens every address to whoever can enqueue a job"))
        }
        return found
    }
}

extension WorkerConfiguration {
    /// Tries that never come, since whatever fails after `max_age` is given up; without jitter.
    fileprivate var scheduleTooLong: ConfigurationMistake? {
        var begins: [Duration] = []
        for wait in webhooks.schedule { begins.append((begins.last ?? .zero) + wait) }
        guard let last = begins.last, last > webhooks.maximumAge else { return nil }
        // One is waited for if the one before it has failed in time.
        let never = begins.dropLast().count { $0 > webhooks.maximumAge }
        let (taken, most) = (DurationText.render(last), DurationText.render(webhooks.maximumAge))
        let keys = [["webhooks", "schedule"], ["webhooks", "max_age"]]
        return mistake(
            .warning, at: keys.first { source.lines[$0] != nil } ?? keys[0],
            "the tries of webhooks.schedule take \(taken) in all, and webhooks.max_age is \(most): what fails after that "
                + "is given up, so "
                + (never == 0
                    ? "the last try begins too late" : "the last \(never) of \(begins.count) tries never come")
                + "; shorten the schedule, or raise max_age")
    }
}

extension Dictionary where Key == String {
    /// By name, so that messages come in the same order every time.
    var inOrder: [(key: String, value: Value)] { sorted { $0.key < $1.key } }
}
