import Webhooks

/// What `check` can say without the network, and `run` before it starts.
extension WorkerConfiguration {
    /// Errors and warnings: the rules of the file, then what the environment lacks (secrets, files, descriptors).
    /// A configuration without errors here can be converted.
    public func check(in environment: ConfigurationEnvironment = .process()) -> [ConfigurationMistake] {
        var found = ruleMistakes()
        if gateways.isEmpty {
            found.append(mistake(at: ["gateways"], "there is no [gateways.NAME]: jobs have nowhere to go"))
        }
        if models.isEmpty, jobs.defaultGateway == nil {
            found.append(
                mistake(at: ["models"], "there is no [models.NAME], and no jobs.default_gateway: every job is invalid"))
        }
        found += endpointMistakes(in: environment) + ignoredProxyMistakes(in: environment)
        found += secretMistakes(in: environment) + fileMistakes()
        // Not what merely follows from a file that is not there.
        let wrong = Set(found.errors.map(\.key))
        found += gatewayCertificateMistakes().filter { !wrong.contains($0.key) } + descriptorMistakes(in: environment)
        return found.inFileOrder()
    }

    /// Endpoints that the worker would refuse to post to, judged by the same policy.
    private func endpointMistakes(in environment: ConfigurationEnvironment) -> [ConfigurationMistake] {
        var configuration = WebhookConfiguration(
            insecureHosts: Set(webhooks.insecureHosts), allowedNetworks: webhooks.allowedNetworks)
        configuration.hosts = hostRules
        configuration.onlyNetworks = webhooks.onlyNetworks
        configuration.deniedNetworks = webhooks.deniedNetworks
        configuration.proxy = webhookProxy
        let policy = WebhookPolicy(configuration: configuration)
        return webhooks.endpoints.inOrder.compactMap { name, endpoint in
            do throws(WebhookError) {
                _ = try policy.url(endpoint.url.description)
                return nil
            } catch .insecure {
                return nil  // told with its line by the rules of the file
            } catch {
                var text = "\(error)"
                if case .refusedAddress(_, .special) = error { text += "; webhooks.allow_networks can allow it" }
                return mistake(at: ["webhooks", "endpoints", name, "url"], text)
            }
        }
    }

    /// Descriptors that the worker may need at once: a socket for each job, each idle connection, each post, the
    /// broker, and some for files, event loops, names being resolved.
    public var openFilesNeeded: Int {
        let idle = gateways.values.reduce(0) { $0 + $1.maximumIdle } * max(1, models.count)
        return jobs.concurrency + min(idle, jobs.concurrency) + webhooks.concurrency + webhooks.slowConcurrency + 2
            * broker.publishers + 128
    }

    private func descriptorMistakes(in environment: ConfigurationEnvironment) -> [ConfigurationMistake] {
        let needed = openFilesNeeded
        guard needed > environment.mostOpenFiles else { return [] }
        return [
            mistake(
                at: ["jobs", "concurrency"],
                "may need \(needed) open files, and this process may open \(environment.mostOpenFiles); raise "
                    + "LimitNOFILE= in the unit (ulimit -Hn), or lower it")
        ]
    }

    private func fileMistakes() -> [ConfigurationMistake] {
        var files = [
            (["broker", "ca_file"], broker.certificateAuthorityFile),
            (["broker", "client_certificate_file"], broker.clientCertificateFile),
            (["broker", "client_key_file"], broker.clientKeyFile),
            (["webhooks", "ca_file"], webhooks.certificateAuthorityFile),
        ]
        for (name, gateway) in gateways.inOrder {
            files.append((["gateways", name, "ca_file"], gateway.certificateAuthorityFile))
            files.append((["gateways", name, "client_certificate_file"], gateway.clientCertificateFile))
            files.append((["gateways", name, "client_key_file"], gateway.clientKeyFile))
        }
        for (name, endpoint) in webhooks.endpoints.inOrder {
            let path = ["webhooks", "endpoints", name]
            files.append((path + ["client_certificate_file"], endpoint.clientCertificateFile))
            files.append((path + ["client_key_file"], endpoint.clientKeyFile))
        }
        return files.compactMap { path, file in
            guard let file else { return nil }
            do throws(FileProblem) {
                let contents = try FileContents.read(file, atMost: 16 << 20)
                if path.last == "client_key_file", contents.isWorldReadable {
                    return mistake(.warning, at: path, "can be read by everybody on this machine; chmod 0600 it")
                }
                let isPEM = String(decoding: contents.bytes, as: UTF8.self).contains("-----BEGIN ")
                return isPEM ? nil : mistake(at: path, "\(file) is not in PEM format")
            } catch {
                return mistake(at: path, "\(file): \(error.message)")
            }
        }
    }
}
