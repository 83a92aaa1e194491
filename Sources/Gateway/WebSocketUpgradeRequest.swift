import ChatModel
import NIOHTTP1
import NIOWebSocket

/// The upgrade as a gateway expects it, and the judgement of its answer (RFC 6455, section 4.1).
struct WebSocketUpgradeRequest: Sendable {
    let key: String
    let head: HTTPRequestHead

    init(configuration: GatewayConfiguration, model: String, key apiKey: GatewayKey, trace: TraceContext?) {
        key = NIOWebSocketClientUpgrader.randomRequestKey()
        let endpoint = configuration.endpoint
        var headers = HTTPHeaders()
        headers.addHost(endpoint)
        headers.add(name: "Upgrade", value: "websocket")
        headers.add(name: "Connection", value: "Upgrade")
        headers.add(name: "Sec-WebSocket-Key", value: key)
        headers.add(name: "Sec-WebSocket-Version", value: "13")
        headers.addRequest(configuration, key: apiKey, trace: trace)
        let separator = endpoint.path.utf8.contains(0x3F) ? "&" : "?"
        head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "\(endpoint.path)\(separator)model=\(Self.percentEncoded(model))",
            headers: headers)
    }

    /// `nil`: the answer is a WebSocket from here on. Else what is wrong with a 101.
    func complaint(about response: HTTPResponseHead) -> String? {
        let headers = response.headers
        guard response.version == .http1_1 else { return "an upgrade in another version than HTTP/1.1" }
        let upgrade = headers["Upgrade"]
        guard upgrade.count == 1, upgrade[0].lowercased() == "websocket" else {
            return "an upgrade to something other than a WebSocket"
        }
        guard headers[canonicalForm: "Connection"].contains(where: { $0.lowercased() == "upgrade" }) else {
            return "an upgrade without \"Connection: Upgrade\""
        }
        let verifier = NIOWebSocketClientUpgrader(requestKey: key) { channel, _ in
            channel.eventLoop.makeSucceededVoidFuture()
        }
        guard verifier.shouldAllowUpgrade(upgradeResponse: response) else {
            return "an upgrade with a wrong \"Sec-WebSocket-Accept\""
        }
        guard !headers.contains(name: "Sec-WebSocket-Extensions") else {
            return "a WebSocket extension that was not asked for"
        }
        guard !headers.contains(name: "Sec-WebSocket-Protocol") else {
            return "a WebSocket subprotocol that was not asked for"
        }
        return nil
    }

    /// Everything but RFC 3986's unreserved characters is encoded.
    static func percentEncoded(_ text: String) -> String {
        var output: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: output.append(byte)
            default: output += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
