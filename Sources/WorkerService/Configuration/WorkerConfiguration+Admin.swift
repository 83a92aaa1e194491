extension WorkerConfiguration {
    /// `[admin]`
    public struct Admin: Sendable, Equatable {
        /// `host:port` or `unix:/path`; empty: no admin server.
        public var listen = "127.0.0.1:9464"
        /// Whether it may listen on an address that others can reach.
        public var allowsRemote = false
        /// `nil`: nobody may change anything there.
        public var tokenFile: String?

        public init() {}
    }

    /// What lets somebody change things; `nil`: nobody can.
    func adminToken(_ reader: SecretReader, _ report: Report) -> String? {
        guard let file = admin.tokenFile else { return nil }
        let path = ["admin", "token_file"]
        do throws(SecretReader.Problem) {
            let secret = try reader.read(SecretSource(file: file))
            if let warning = secret.warning { report(mistake(.warning, at: path, warning)) }
            guard secret.text.utf8.count >= 16, secret.text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                report(
                    mistake(
                        at: path,
                        "what is there is no token: 16 characters or more, ASCII without spaces; make one with: "
                            + "openssl rand -hex 24"))
                return nil
            }
            return secret.text
        } catch {
            report(mistake(at: path, error.message))
            return nil
        }
    }

    func adminMistakes() -> [ConfigurationMistake] {
        guard let address = AdminAddress(admin.listen) else { return [] }
        if case .host(let host, _) = address, !ServiceURL.isLoopback(host), !admin.allowsRemote {
            return [
                mistake(
                    at: ["admin", "listen"],
                    "others can reach \(host), and whoever reaches it sees names of jobs and customers; keep it on 127.0.0.1 or "
                        + "a unix: socket, or say admin.allow_remote = true")
            ]
        }
        return []
    }
}

extension WorkerConfiguration.Admin: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "listen", \.listen, .adminAddress,
            "Where health, metrics and state are served over HTTP: host:port, or unix:/run/chat-worker/admin.sock; \"\" is nowhere. "
                + "Where the port is taken (a second worker on this machine), the next of ten is; the log says which. Where none can "
                + "be had, the worker works without."),
        .init(
            "allow_remote", \.allowsRemote, .flag,
            "Lets listen be an address that other machines can reach. Whoever reaches it may read."),
        .init(
            optional: "token_file", \.tokenFile, .secretFile,
            "A token of 16 characters or more that whoever cancels jobs or replays dead letters there must have; without it nobody can.",
            example: "\"admin_token\""),
    ]
}

/// Where the admin server listens.
enum AdminAddress: Sendable, Equatable {
    case host(String, Int)
    case unix(String)

    /// The same host's next port.
    var next: Self? {
        if case .host(let host, let port) = self, port < 65_535 { .host(host, port + 1) } else { nil }
    }

    /// `nil`: nowhere, or not an address.
    init?(_ text: String) {
        if text.hasPrefix("unix:/") {
            self = .unix(String(text.dropFirst(5)))
        } else if let (host, port) = try? ServiceURL.hostAndPort(Substring(text)), let port {
            self = .host(host, port)
        } else {
            return nil
        }
    }
}

extension ConfigurationValue<String> {
    static var adminAddress: Self {
        .text("host:port, unix:/path, or \"\"") { text throws(ConfigurationValueError) in
            guard text.isEmpty || AdminAddress(text) != nil else {
                throw ConfigurationValueError("is no host:port, as 127.0.0.1:9464, and no unix:/path")
            }
            // A socket's path has to fit in `sun_path`.
            guard !text.hasPrefix("unix:") || text.utf8.count <= 5 + 107 else {
                throw ConfigurationValueError("the path of a socket has 107 bytes at most")
            }
            return text
        } render: {
            $0
        }
    }
}
