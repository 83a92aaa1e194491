import ChatModel
import Webhooks

/// Reading what webhooks are signed and sent with. Every function tells all its mistakes, with lines, through `report`.
extension WorkerConfiguration {
    /// Secrets and key of one place in the file; without files of its own those of `standard`.
    func webhookKeys(
        _ files: [String], _ signingKeyFile: String?, _ oldUntil: Timestamp?, at path: [String],
        standard: WebhookKeys = WebhookKeys(secrets: []), _ reader: SecretReader, _ report: Report
    ) -> WebhookKeys {
        var keys = standard
        if !files.isEmpty {
            keys.secrets = webhookSecrets(files, at: path, reader, report)
            keys.overlapEnd = nil
        }
        if let signingKeyFile {
            keys.signingKey = signingKey(signingKeyFile, at: path + ["ed25519_key_file"], reader, report)
        }
        if let oldUntil { keys.overlapEnd = oldUntil.milliseconds }
        return keys
    }

    private func signingKey(
        _ file: String, at place: [String], _ reader: SecretReader, _ report: Report
    ) -> WebhookSigningKey? {
        do throws(SecretReader.Problem) {
            let secret = try reader.read(SecretSource(file: file))
            if let warning = secret.warning { report(mistake(.warning, at: place, warning)) }
            do throws(WebhookSigningKey.Invalid) {
                return try WebhookSigningKey(secret.text)
            } catch {
                report(
                    mistake(
                        at: place,
                        "\(error); make one with: printf 'whsk_%s\\n' \"$(openssl rand -base64 32)\""))
            }
        } catch {
            report(mistake(at: place, error.message))
        }
        return nil
    }

    /// What `[webhooks]` says for all.
    var webhookOptions: WebhookOptions {
        var options = WebhookOptions()
        options.payload = webhooks.payload
        options.maximumPayloadSize = webhooks.maximumPayloadBytes
        options.events = Set(webhooks.events.map(\.type))
        options.cloudEvents = webhooks.cloudEvents
        options.ordering = webhooks.ordering
        return options
    }

    func webhookOptions(
        of endpoint: Webhooks.Endpoint, named name: String, _ reader: SecretReader, _ report: Report
    ) -> WebhookOptions {
        var options = webhookOptions
        if let payload = endpoint.payload { options.payload = payload }
        if let events = endpoint.events { options.events = Set(events.map(\.type)) }
        if let cloudEvents = endpoint.cloudEvents { options.cloudEvents = cloudEvents }
        if let ordering = endpoint.ordering { options.ordering = ordering }
        if let file = endpoint.headersFile {
            options.headers = headers(file, at: ["webhooks", "endpoints", name, "headers_file"], reader, report)
        }
        if let certificate = endpoint.clientCertificateFile, let key = endpoint.clientKeyFile {
            options.clientCertificate = .init(certificateFile: certificate, keyFile: key)
        }
        return options
    }

    /// Lines of `Name: value`.
    func headers(
        _ file: String, at place: [String], _ reader: SecretReader,
        isTaken: (String) -> Bool = HeaderLines.isTakenByWebhooks, _ report: Report
    ) -> [WebhookOptions.Header] {
        do throws(SecretReader.Problem) {
            let (text, warning) = try reader.readText(file)
            if let warning { report(mistake(.warning, at: place, warning)) }
            do throws(ConfigurationValueError) {
                return try HeaderLines.parse(text, isTaken: isTaken)
            } catch {
                report(mistake(at: place, error.message))
            }
        } catch {
            report(mistake(at: place, error.message))
        }
        return []
    }
}
