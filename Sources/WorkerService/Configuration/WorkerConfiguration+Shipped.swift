extension WorkerConfiguration {
    /// `worker.conf` as it is shipped: every key with its meaning and default, and the guide's gateway, models, prices
    /// and session types set.
    public static var reference: String {
        let configuration = shipped
        var reference = ConfigurationReference()
        reference.write(
            paragraph:
                "worker.conf: configuration of chat-worker (TOML). Keys behind a # have the value that is shown; "
                + "remove the # to change one. Check it with: chat-worker check --config worker.conf")
        reference.write(
            paragraph: "No secret stands in this file: it names files. A name without / is looked up in "
                + "$CREDENTIALS_DIRECTORY, where systemd's LoadCredential= puts them.")
        for section in sections { section.write(configuration, &reference) }
        return reference.text
    }

    /// Prices in USD for a million tokens and session types are those of the gateway's guide.
    private static var shipped: WorkerConfiguration {
        var configuration = WorkerConfiguration()
        var gateway = Gateway()
        gateway.url = ServiceURL(scheme: "wss", host: "api.holysheep.ai", path: "/v1")
        gateway.keyVariable = "HOLYSHEEP_API_KEY"
        configuration.gateways["holysheep"] = gateway
        let prices: [(model: String, input: Double, output: Double)] = [
            ("gpt-4.1", 2.5, 8), ("claude-sonnet-4-20250514", 3, 15), ("gemini-2.5-flash", 0.4, 2.5),
            ("deepseek-v3.2", 0.14, 0.42),
        ]
        for price in prices {
            var model = Model()
            model.gateway = "holysheep"
            model.inputPrice = price.input
            model.outputPrice = price.output
            configuration.models[price.model] = model
        }
        let sessions: [(name: String, model: String, tokens: Int, temperature: Double)] = [
            ("general", "gpt-4.1", 500, 0.3), ("detailed", "claude-sonnet-4-20250514", 1_500, 0.5),
            ("quick", "gemini-2.5-flash", 300, 0.2), ("technical", "deepseek-v3.2", 2_000, 0.4),
        ]
        for session in sessions {
            var profile = Profile()
            profile.model = session.model
            profile.maximumTokens = session.tokens
            profile.temperature = session.temperature
            configuration.profiles[session.name] = profile
        }
        configuration.webhooks.secretFiles = ["webhook_secret"]
        return configuration
    }
}
