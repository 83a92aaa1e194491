import AsyncHTTPClient
package import ChatModel
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Webhooks

/// Asks a running worker's admin server, over TCP or a unix socket.
package struct AdminClient: Sendable {
    private let base: String
    private let listen: String

    private static let timeout = TimeAmount.seconds(5)
    private static let largest = 16 << 20

    /// - Parameter listen: as `admin.listen` has it.
    package init(listen: String) throws(Unavailable) {
        switch AdminAddress(listen) {
        case nil:
            throw Unavailable(
                listen.isEmpty
                    ? "worker.conf has admin.listen = \"\": no worker can be asked"
                    : "\(listen) is no host:port and no unix:/path")
        case .host(let host, let port)?:
            // All addresses of the machine: this one is asked by its loopback.
            let name = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            base = "http://\(name.contains(":") ? "[\(name)]" : name):\(port)"
        case .unix(let path)?:
            let allowed = path.utf8.map { byte -> String in
                let isPlain =
                    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x2E || byte == 0x5F
                return isPlain ? String(UnicodeScalar(byte)) : "%" + SpanIdentity.hex([byte])
            }
            base = "http+unix://\(allowed.joined())"
        }
        self.listen = listen
    }

    /// What `/status` says.
    package func status() async throws(Unavailable) -> JSONValue {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        GuardedConnections(host: listen, maximumAnswerSize: 2 * Self.largest).install(in: &configuration)
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<JSONValue, Unavailable>
        do {
            let response = try await client.execute(HTTPClientRequest(url: base + "/status"), timeout: Self.timeout)
            let body = try await response.body.collect(upTo: Self.largest)
            guard response.status == .ok else { throw Unavailable("\(listen) answers \(response.status.code)") }
            result = .success(try JSONValue(parsing: Array(body.readableBytesView)))
        } catch let error as Unavailable {
            result = .failure(error)
        } catch let error as JSONError {
            result = .failure(Unavailable("\(listen) does not answer as a worker does: \(error)"))
        } catch {
            result = .failure(
                Unavailable(
                    "no worker answers at \(listen): \(Self.reason(error)); is it running, and is that its admin.listen?"
                ))
        }
        try? await client.shutdown()
        return try result.get()
    }

    /// In the system's own words where it is the system that refuses.
    private static func reason(_ error: any Error) -> String {
        let first = (error as? NIOConnectionError)?.connectionErrors.first?.error ?? error
        return (first as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(first)"
    }
}
