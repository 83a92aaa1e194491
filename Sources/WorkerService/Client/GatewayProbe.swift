import AsyncHTTPClient
import ChatModel
import Gateway
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Webhooks

/// Opens one gateway with each of its keys, and asks for its list of models: what `check` says of it. Sends no chat request.
struct GatewayProbe {
    let gateway: GatewayConfiguration

    func run() async -> [WorkerProbe.Finding] {
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let client: GatewayClient
        do {
            client = try GatewayClient(configuration: gateway, logger: logger)
        } catch {
            var finding = finding(of: 0)
            finding.detail = "cannot be set up: \(error)"
            finding.advice = "look at gateways.\(gateway.name).url, ca_file and client_certificate_file"
            return [finding]
        }
        var findings: [WorkerProbe.Finding] = []
        for key in gateway.keys.indices { findings.append(await probe(key, client)) }
        await client.shutdown()
        return findings
    }

    private func probe(_ key: Int, _ client: GatewayClient) async -> WorkerProbe.Finding {
        var finding = finding(of: key)
        let model = gateway.warmModels.first ?? "check"
        let probe = await client.probe(key: key, model: model, on: MultiThreadedEventLoopGroup.singleton.any())
        finding.latency = probe.latency
        if let failure = probe.failure {
            finding.detail = "\(failure.message) [\(failure.code)]"
            finding.advice = advice(failure.code, key: key)
            return finding
        }
        let list = await ModelList.fetch(gateway, key: gateway.keys[key])
        if gateway.transport == .sse, case .refused(let status) = list {
            let code = status == 401 ? "gateway_unauthorized" : "gateway_forbidden"
            finding.detail = "The gateway refused the key (\(status)). [\(code)]"
            finding.advice = advice(code, key: key)
            return finding
        }
        finding.isReachable = true
        let verb = gateway.transport == .sse ? "answers" : "lets the worker in"
        finding.detail = "\(verb) after \(probe.latency.wholeMilliseconds) ms"
        guard case .models(let models) = list else {
            finding.detail += "; it has no list of models"
            return finding
        }
        finding.models = models
        let shown = models.prefix(5).joined(separator: ", ") + (models.count > 5 ? ", ..." : "")
        finding.detail += "; \(models.count) models: \(shown)"
        let missing = gateway.warmModels.filter { !models.contains($0) }
        if !missing.isEmpty {
            finding.advice = "not in its list, though configured: \(missing.joined(separator: ", "))"
        }
        return finding
    }

    private func finding(of key: Int) -> WorkerProbe.Finding {
        let endpoint = gateway.endpoint
        let scheme = (gateway.transport == .sse ? "http" : "ws") + (endpoint.isSecure ? "s" : "")
        var subject = "gateway \(gateway.name) \(scheme)://\(endpoint.host):\(endpoint.port)"
        let source = gateway.keys.indices.contains(key) ? gateway.keys[key].source : ""
        if gateway.keys.count > 1 { subject += " key \(source)" }
        var finding = WorkerProbe.Finding(subject: subject, isReachable: false, detail: "")
        finding.keyFile = source.isEmpty ? nil : source
        return finding
    }

    /// What to do about it.
    private func advice(_ code: String, key: Int) -> String {
        let name = "gateways.\(gateway.name)"
        return switch code {
        case "gateway_unauthorized", "gateway_forbidden":
            "put a valid key of this gateway into \(gateway.keys[key].source) (\(name).key_file)"
        case "gateway_tls_wrong_name": "look at the host in \(name).url: its certificate has another name"
        case "gateway_tls_expired": "have the gateway's certificate renewed, and look at this machine's clock"
        case "gateway_tls_untrusted": "name the CA of the gateway's certificate in \(name).ca_file"
        case "gateway_tls_version", "gateway_tls_failed":
            "look at host and port in \(name).url: TLS 1.2 or later is needed"
        case "gateway_unreachable", "gateway_connect_timeout":
            "look at host and port in \(name).url, whether it runs, and at firewalls in between"
        case "gateway_not_found": "look at the path in \(name).url, and at the models' names (upstream)"
        case "gateway_rate_limited", "gateway_quota_exhausted", "gateway_unavailable":
            "try again later, or ask its operator"
        case _ where code.hasPrefix("gateway_proxy_"):
            "look at the proxy \(gateway.proxy.map { "\($0.host):\($0.port)" } ?? "") (\(name).proxy, proxy_credentials_file): "
                + "the gateway itself was not asked"
        default: "look at \(name).url and transport"
        }
    }
}

/// The models that a gateway says it has: `GET .../models` beside its chat endpoint, as OpenAI's interface has it.
enum ModelList: Equatable {
    case models([String])
    /// 401 or 403.
    case refused(Int)
    /// There is none, which is no mistake.
    case absent

    private static let longest = 1 << 20
    private static let most = 10_000

    static func fetch(_ gateway: GatewayConfiguration, key: GatewayKey) async -> ModelList {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let file = gateway.certificateAuthorityFile { tls.trustRoots = .file(file) }
        _ = try? gateway.clientCertificate?.add(to: &tls)
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .milliseconds(gateway.connectTimeout.wholeMilliseconds)
        if let proxy = gateway.proxy {
            configuration.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.authorization.flatMap { value in
                    value.hasPrefix("Basic ") ? .basic(credentials: String(value.dropFirst(6))) : nil
                })
        }
        GuardedConnections(host: gateway.endpoint.host, maximumAnswerSize: 2 * longest).install(in: &configuration)
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let list = await fetch(url(gateway.endpoint), gateway, key, client)
        try? await client.shutdown()
        return list
    }

    private static func fetch(
        _ url: String, _ gateway: GatewayConfiguration, _ key: GatewayKey, _ client: HTTPClient
    ) async -> ModelList {
        var request = HTTPClientRequest(url: url)
        if let header = gateway.header(of: key) { request.headers.add(name: header.name, value: header.value) }
        for header in key.headers { request.headers.add(name: header.name, value: header.value) }
        request.headers.add(name: "User-Agent", value: "chat-worker")
        let timeout = TimeAmount.milliseconds(gateway.connectTimeout.wholeMilliseconds)
        guard let response = try? await client.execute(request, timeout: timeout) else { return .absent }
        switch response.status.code {
        case 200:
            guard let body = try? await response.body.collect(upTo: longest) else { return .absent }
            return parse(Array(body.readableBytesView))
        case 401, 403: return .refused(Int(response.status.code))
        default: return .absent
        }
    }

    /// `{"data": [{"id": ...}, ...]}`
    static func parse(_ body: [UInt8]) -> ModelList {
        guard let entries = (try? JSONValue(parsing: body))?["data"]?.arrayValue else { return .absent }
        let names = entries.prefix(most).compactMap { $0["id"]?.stringValue }.filter { name in
            name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } && name.utf8.count <= 256
        }
        return .models(names)
    }

    /// Beside the chat endpoint, whichever protocol that speaks.
    static func url(_ endpoint: GatewayConfiguration.Endpoint) -> String {
        var path = String(endpoint.path.prefix { $0 != "?" })
        for suffix in ["/realtime/chat/completions", "/chat/completions"] where path.hasSuffix(suffix) {
            path.removeLast(suffix.count)
            break
        }
        let host = endpoint.host.utf8.contains(0x3A) ? "[\(endpoint.host)]" : endpoint.host
        return "\(endpoint.isSecure ? "https" : "http")://\(host):\(endpoint.port)\(path)/models"
    }
}
