/// The files that a configuration names, and when a worker reads each: for a reload, which has to say truthfully what it
/// took. Reads the files of the start again to know whether they have changed; holds no content.
struct FilesInUse {
    /// When what stands in a file counts.
    enum Moment: Equatable {
        /// At the start and at each reload.
        case reload
        /// At each connect, whatever a reload does.
        case connect
        /// At the start only.
        case start
    }

    struct File: Equatable {
        /// Dotted, as `gateways.main.key_file`.
        var key: String
        /// `nil`: a credential's name, and there is no folder of credentials.
        var path: String?
        var moment: Moment
        /// systemd copied it when it started the service: a reload finds the same copy again.
        var isCopy: Bool
    }

    private(set) var files: [File] = []
    private let reader: SecretReader

    init(_ configuration: WorkerConfiguration, in environment: ConfigurationEnvironment) {
        reader = SecretReader(environment: environment)
        addBroker(configuration.broker)
        for (name, gateway) in configuration.gateways.inOrder {
            let keys = (gateway.keyFile.isEmpty ? [] : [gateway.keyFile]) + gateway.furtherKeyFiles
            for (index, file) in keys.enumerated() {
                add(
                    .reload, file,
                    ["gateways", name, index == 0 && !gateway.keyFile.isEmpty ? "key_file" : "key_files"])
            }
            add(.reload, gateway.headersFile, ["gateways", name, "headers_file"])
            add(.start, gateway.proxyCredentialsFile, ["gateways", name, "proxy_credentials_file"])
            add(.start, gateway.certificateAuthorityFile, ["gateways", name, "ca_file"])
            add(.start, gateway.clientCertificateFile, ["gateways", name, "client_certificate_file"])
            add(.start, gateway.clientKeyFile, ["gateways", name, "client_key_file"])
        }
        addWebhooks(configuration.webhooks)
        add(.start, configuration.admin.tokenFile, ["admin", "token_file"])
        add(.start, configuration.tracing.headersFile, ["tracing", "headers_file"])
    }

    /// Keys of files that a reload reads.
    var readByReload: [String] { keys { $0.moment == .reload } }
    /// Keys of files that each connect reads.
    var readByConnect: [String] { keys { $0.moment == .connect } }
    /// Keys of files that stay what they are until a restart, since they are copies that systemd has made.
    var copies: [String] { keys { $0.isCopy } }

    /// What stands in the files of the start now, by key; a number that says nothing of the content.
    func marksOfTheStart() -> [String: Int] {
        var marks: [String: Int] = [:]
        for file in files where file.moment == .start {
            guard let path = file.path, let contents = try? FileContents.read(path, atMost: 16 << 20) else { continue }
            var hasher = Hasher()
            hasher.combine(contents.bytes)
            marks[file.key] = hasher.finalize()
        }
        return marks
    }

    /// Keys of files of the start that hold something else now.
    func changed(since marks: [String: Int]) -> [String] {
        let now = marksOfTheStart()
        return marks.keys.filter { key in now[key] != nil && now[key] != marks[key] }.sorted()
    }

    private mutating func addBroker(_ broker: WorkerConfiguration.Broker) {
        add(.connect, broker.passwordFile, ["broker", "password_file"])
        guard broker.usesTLS else { return }
        add(.connect, broker.certificateAuthorityFile, ["broker", "ca_file"])
        add(.connect, broker.clientCertificateFile, ["broker", "client_certificate_file"])
        add(.connect, broker.clientKeyFile, ["broker", "client_key_file"])
    }

    private mutating func addWebhooks(_ webhooks: WorkerConfiguration.Webhooks) {
        func path(_ parts: String...) -> [String] { ["webhooks"] + parts }
        for file in webhooks.secretFiles { add(.reload, file, path("secret_files")) }
        add(.reload, webhooks.signingKeyFile, path("ed25519_key_file"))
        add(.start, webhooks.certificateAuthorityFile, path("ca_file"))
        add(.start, webhooks.proxyCredentialsFile, path("proxy_credentials_file"))
        for (name, customer) in webhooks.customers.inOrder {
            for file in customer.secretFiles { add(.reload, file, path("customers", name, "secret_files")) }
            add(.reload, customer.signingKeyFile, path("customers", name, "ed25519_key_file"))
        }
        for (name, endpoint) in webhooks.endpoints.inOrder {
            for file in endpoint.secretFiles { add(.reload, file, path("endpoints", name, "secret_files")) }
            add(.reload, endpoint.signingKeyFile, path("endpoints", name, "ed25519_key_file"))
            add(.reload, endpoint.headersFile, path("endpoints", name, "headers_file"))
            add(.start, endpoint.clientCertificateFile, path("endpoints", name, "client_certificate_file"))
            add(.start, endpoint.clientKeyFile, path("endpoints", name, "client_key_file"))
        }
    }

    private mutating func add(_ moment: Moment, _ file: String?, _ key: [String]) {
        guard let file else { return }
        let path = reader.path(of: file)
        // A name that no folder has is not read at all: a variable, or `guest`, stands in for it.
        guard path != nil || moment == .start else { return }
        files.append(
            File(
                key: key.joined(separator: "."), path: path, moment: moment,
                isCopy: path.map(reader.isCredential) ?? false))
    }

    private func keys(_ condition: (File) -> Bool) -> [String] {
        var seen: Set<String> = []
        return files.filter(condition).map(\.key).filter { seen.insert($0).inserted }
    }
}

extension SecretReader {
    /// Whether the path leads into systemd's folder of credentials.
    fileprivate func isCredential(_ path: String) -> Bool {
        guard let folder = environment.variable("CREDENTIALS_DIRECTORY"), !folder.isEmpty else { return false }
        return path.hasPrefix(folder.hasSuffix("/") ? folder : folder + "/")
    }
}
