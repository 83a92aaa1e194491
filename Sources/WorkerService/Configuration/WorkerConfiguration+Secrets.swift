import Gateway
import Webhooks

/// Reading what the configuration only names. Every function tells all its mistakes, with lines, through `report`.
extension WorkerConfiguration {
    typealias Report = (ConfigurationMistake) -> Void

    func secretMistakes(in environment: ConfigurationEnvironment) -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        let reader = SecretReader(environment: environment)
        _ = brokerPassword(reader) { found.append($0) }
        for name in gateways.keys.sorted() {
            _ = gatewayKeys(of: name, reader) { found.append($0) }
            _ = gatewayProxy(of: name, reader) { found.append($0) }
        }
        _ = webhookKeys(webhooks.secretFiles, webhooks.signingKeyFile, nil, at: ["webhooks"], reader) {
            found.append($0)
        }
        for (name, customer) in webhooks.customers.inOrder {
            let path = ["webhooks", "customers", name]
            _ = webhookKeys(customer.secretFiles, customer.signingKeyFile, nil, at: path, reader) { found.append($0) }
        }
        for (name, endpoint) in webhooks.endpoints.inOrder {
            let path = ["webhooks", "endpoints", name]
            _ = webhookKeys(endpoint.secretFiles, endpoint.signingKeyFile, nil, at: path, reader) { found.append($0) }
            _ = webhookOptions(of: endpoint, named: name, reader) { found.append($0) }
        }
        _ = proxyCredentials(reader) { found.append($0) }
        _ = adminToken(reader) { found.append($0) }
        _ = spanTarget(reader) { found.append($0) }
        return found
    }

    /// All keys of a gateway, the one of `key_file` first; empty: none is sent.
    func gatewayKeys(of name: String, _ reader: SecretReader, _ report: Report) -> [GatewayKey] {
        guard let gateway = gateways[name] else { return [] }
        var sources: [(path: [String], secret: SecretSource)] = []
        if !gateway.keyFile.isEmpty { sources.append((["gateways", name, "key_file"], gateway.key)) }
        for (index, file) in gateway.furtherKeyFiles.enumerated() {
            sources.append((["gateways", name, "key_files", "[\(index)]"], SecretSource(file: file)))
        }
        let headers = gatewayHeaders(of: gateway, named: name, reader, report)
        // Who sends no key may have to say something else all the same.
        if sources.isEmpty, !headers.isEmpty { return [GatewayKey(source: "", secret: "", headers: headers)] }
        return sources.compactMap { path, source in
            gatewayKey(source, of: gateway, named: name, at: path, reader, report)
                .map { GatewayKey(source: source.file ?? "", secret: $0, headers: headers) }
        }
    }

    private func gatewayHeaders(
        of gateway: Gateway, named name: String, _ reader: SecretReader, _ report: Report
    ) -> [GatewayKey.Header] {
        guard let file = gateway.headersFile else { return [] }
        let hasKey = !gateway.keyFile.isEmpty || !gateway.furtherKeyFiles.isEmpty
        let read = headers(
            file, at: ["gateways", name, "headers_file"], reader,
            isTaken: {
                !GatewayConfigurationError.canBeAdded($0) || hasKey && $0 == gateway.keyHeader.lowercased()
            }, report)
        return read.map { GatewayKey.Header(name: $0.name, value: $0.value) }
    }

    private func gatewayKey(
        _ source: SecretSource, of gateway: Gateway, named name: String, at path: [String], _ reader: SecretReader,
        _ report: Report
    ) -> String? {
        do throws(SecretReader.Problem) {
            let secret = try reader.read(source)
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

    func proxyCredentials(
        _ reader: SecretReader, _ report: Report
    ) -> WebhookConfiguration.Proxy.Credentials? {
        guard let file = webhooks.proxyCredentialsFile else { return nil }
        return userAndPassword(
            in: file, form: "USER:PASSWORD", at: ["webhooks", "proxy_credentials_file"], reader, report
        ).map { .init(user: $0.user, password: $0.password) }
    }

    /// What a file for a proxy holds. A user's name has no colon.
    ///
    /// - Parameter form: how the file's line is called if it is not like that.
    func userAndPassword(
        in file: String, form: String, at place: [String], _ reader: SecretReader, _ report: Report
    ) -> (user: String, password: String)? {
        do throws(SecretReader.Problem) {
            let secret = try reader.read(SecretSource(file: file))
            if let warning = secret.warning { report(mistake(.warning, at: place, warning)) }
            let parts = secret.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                report(mistake(at: place, "what is there is not \(form)"))
                return nil
            }
            return (String(parts[0]), String(parts[1]))
        } catch {
            report(mistake(at: place, error.message))
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
