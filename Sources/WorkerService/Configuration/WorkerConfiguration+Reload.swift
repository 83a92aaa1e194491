import ChatModel
import JobRunner

extension WorkerConfiguration {
    /// What a running worker makes of a newer configuration: all that can change at once is taken from there, all else stays.
    func reloaded(from new: WorkerConfiguration) -> WorkerConfiguration {
        var result = self
        result.source = new.source
        result.profiles = new.profiles
        result.models = new.models
        result.retry = new.retry
        result.jobs.defaultGateway = new.jobs.defaultGateway
        result.limits.totalTimeout = new.limits.totalTimeout
        result.limits.parkAfter = new.limits.parkAfter
        result.replies.highWaterBytes = new.replies.highWaterBytes
        result.replies.maximumAnswerBytes = new.replies.maximumAnswerBytes
        result.worker.logLevel = new.worker.logLevel
        result.worker.logLevels = new.worker.logLevels
        result.worker.debugSample = new.worker.debugSample
        for (name, gateway) in new.gateways { result.gateways[name]?.reload(from: gateway) }
        // What was spent before is known only as far back as the journal was read at the start.
        let (known, wanted) = (budgetPolicy, new.budgetPolicy)
        if known.hasMonths || (known.hasDays && !wanted.hasMonths) || !wanted.hasBudgets {
            result.budgets = new.budgets
        }
        result.webhooks.reload(from: new.webhooks)
        return result
    }
}

extension WorkerConfiguration.Gateway {
    /// Connections are made as they were; who asks, how often, and when to leave the gateway alone may change.
    fileprivate mutating func reload(from new: Self) {
        keyFile = new.keyFile
        keyVariable = new.keyVariable
        furtherKeyFiles = new.furtherKeyFiles
        keyPrefix = new.keyPrefix
        headersFile = new.headersFile
        includeUsage = new.includeUsage
        maximumInFlight = new.maximumInFlight
        coolDownAfter = new.coolDownAfter
        coolDown = new.coolDown
        coolDownMost = new.coolDownMost
    }
}

extension WorkerConfiguration.Webhooks {
    /// All but what the HTTP client, its lanes and breakers were made of.
    fileprivate mutating func reload(from new: Self) {
        let old = self
        self = new
        concurrency = old.concurrency
        prefetch = old.prefetch
        endpointConcurrency = old.endpointConcurrency
        slowAfter = old.slowAfter
        slowConcurrency = old.slowConcurrency
        breakerFailures = old.breakerFailures
        breakerOpen = old.breakerOpen
        breakerLongest = old.breakerLongest
        breakerProbes = old.breakerProbes
        proxy = old.proxy
        proxyCredentialsFile = old.proxyCredentialsFile
        proxyResolves = old.proxyResolves
        certificateAuthorityFile = old.certificateAuthorityFile
        maximumResponseBytes = old.maximumResponseBytes
        // The client certificates of the start are the only ones that were read.
        let known = old.endpoints.values.map { [$0.clientCertificateFile, $0.clientKeyFile] }
        for (name, endpoint) in new.endpoints where endpoint.clientCertificateFile != nil {
            if !known.contains([endpoint.clientCertificateFile, endpoint.clientKeyFile]) {
                endpoints[name] = old.endpoints[name]
            }
        }
    }
}
