import Webhooks

/// Reading what the configuration only names. Every function tells all its mistakes, with lines, through `report`.
extension WorkerConfiguration {
    typealias Report = (ConfigurationMistake) -> Void

    func secretMistakes(in environment: ConfigurationEnvironment) -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        let reader = SecretReader(environment: environment)
        _ = brokerPassword(reader) { found.append($0) }
        for name in gateways.keys.sorted() { _ = gatewayKey(of: name, reader) { found.append($0) } }
        for (path, files) in secretLists { _ = webhookSecrets(files, at: path, reader) { found.append($0) } }
        return found
    }

    /// Every list of signing secrets, with its place in the file.
    private var secretLists: [(path: [String], files: [String])] {
        [(["webhooks"], webhooks.secretFiles)]
            + webhooks.customers.inOrder.map { (["webhooks", "customers", $0.key], $0.value.secretFiles) }
            + webhooks.endpoints.inOrder.map { (["webhooks", "endpoints", $0.key], $0.value.secretFiles) }
    }

    func brokerPassword(_ reader: SecretReader, _ report: Report) -> String? {
        let path = ["broker", "password_file"]
        do throws(SecretReader.Problem) {
            let secret = try reader.read(broker.password)
            if let warning = secret.warning { report(mistake(.warning, at: path, warning)) }
            return secret.text
        } catch {
            // RabbitMQ's ready-made user, which the broker lets in from its own machine only.
            if error.isMissing, brokerUsername == "guest" { return "guest" }
            report(mistake(at: path, error.message))
            return nil
        }
    }

    func gatewayKey(of name: String, _ reader: SecretReader, _ report: Report) -> String? {
        guard let gateway = gateways[name] else { return nil }
        if gateway.keyFile.isEmpty { return "" }
        let path = ["gateways", name, "key_file"]
        do throws(SecretReader.Problem) {
            let secret = try reader.read(gateway.key)
            if let warning = secret.warning { report(mistake(.warning, at: path, warning)) }
            guard secret.text.hasPrefix(gateway.keyPrefix), secret.text.utf8.count > gateway.keyPrefix.utf8.count else {
                report(
                    mistake(
                        at: path,
                        "what is there does not look like a key of this gateway: it does not begin with "
                            + "`\(gateway.keyPrefix)` (gateways.\(TOMLText.key(name)).key_prefix)"))
                return nil
            }
            guard secret.text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                report(mistake(at: path, "what is there holds spaces or characters beyond ASCII; a key has none"))
                return nil
            }
            return secret.text
        } catch {
            report(mistake(at: path, error.message))
            return nil
        }
    }

    func webhookSecrets(
        _ files: [String], at path: [String], _ reader: SecretReader, _ report: Report
    ) -> [WebhookSecret] {
        files.enumerated().compactMap { index, file in
            let place = path + ["secret_files", "[\(index)]"]
            let secret: SecretReader.Secret
            do throws(SecretReader.Problem) {
                secret = try reader.read(SecretSource(file: file))
            } catch {
                report(mistake(at: place, error.message))
                return nil
            }
            if let warning = secret.warning { report(mistake(.warning, at: place, warning)) }
            do throws(WebhookSecret.Invalid) {
                return try WebhookSecret(secret.text)
            } catch {
                report(
                    mistake(
                        at: place,
                        "\(error); make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\""))
                return nil
            }
        }
    }
}
