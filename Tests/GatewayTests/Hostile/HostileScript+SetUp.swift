import Gateway
import NIOCore

extension HostileScript {
    static let tls: [String: HostileScript] = [
        "tls-wrong-name": HostileScript(tls: .certificate("wrong-name"), play: expectNoRequest),
        "tls-address": HostileScript(tls: .certificate("address"), play: expectNoRequest),
        "tls-expired": HostileScript(tls: .certificate("expired"), play: expectNoRequest),
        "tls-unknown-ca": HostileScript(tls: .untrusted("good"), play: expectNoRequest),
        "tls-1.1": HostileScript(tls: .old, play: expectNoRequest),
        "tls-plaintext": HostileScript(tls: HostileScript.TLS.none) { peer, _ in
            try await peer.send(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            await peer.waitForEnd()
        },
        "tls-closed": HostileScript(tls: HostileScript.TLS.none) { _, _ in },
        "tls-silence": HostileScript(tls: HostileScript.TLS.none, change: briefly) { peer, _ in
            await peer.waitForEnd()
        },
    ]

    static let setUp: [String: HostileScript] = [
        "upgrade-silence": HostileScript(change: briefly) { peer, _ in await peer.waitForEnd() },
        "upgrade-drip": HostileScript(change: briefly) { peer, _ in
            let head = try await peer.readHead()
            let filler = "X: \(String(repeating: "x", count: 6000))"
            try await peer.drip(TestPeer.acceptance(head, extra: [filler]), every: .milliseconds(2))
        },
        "upgrade-closed": HostileScript { peer, _ in _ = try await peer.readHead() },
        "upgrade-wrong-key": HostileScript { peer, _ in
            try await peer.send(TestPeer.acceptance(try await peer.readHead(), key: "another"))
            await peer.waitForEnd()
        },
        "upgrade-extension": HostileScript { peer, _ in
            let head = try await peer.readHead()
            try await peer.send(
                TestPeer.acceptance(head, extra: ["Sec-WebSocket-Extensions: permessage-deflate"]))
            await peer.waitForEnd()
        },
        "upgrade-200": refusal("200 OK", ["Content-Type: text/html"], "<html>"),
        "answer-silence": asked(change: briefly) { peer, _ in await peer.waitForEnd() },
        "answer-closed": asked { _, _ in },
        "answer-reset": asked { peer, _ in try await peer.reset() },
        "head-silence": asked(change: briefly) { peer, _ in
            try await peer.send(peer.body([]))
            await peer.waitForEnd()
        },
        "head-drip": asked(change: briefly) { peer, _ in
            let filler = String(repeating: "x", count: 6000)
            try await peer.drip(Array("HTTP/1.1 200 OK\r\nX: \(filler)".utf8), every: .milliseconds(2))
        },
        "head-continues": asked(change: briefly) { peer, _ in
            while true {
                try await peer.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
                try await Task.sleep(for: .milliseconds(5))
            }
        },
        "comments-only": asked(change: briefly) { peer, _ in
            while true {
                try await peer.send(peer.body(Array(": wait\n\ndata:\n\n".utf8)))
                try await Task.sleep(for: .milliseconds(20))
            }
        },
        "not-http": HostileScript { peer, _ in
            try await peer.readAnyRequest()
            try await peer.send(Array("SSH-2.0-OpenSSH_9.2\r\n".utf8))
            await peer.waitForEnd()
        },
        "head-too-large": HostileScript { peer, _ in
            try await peer.readAnyRequest()
            let filler = String(repeating: "x", count: 9000)
            try await peer.send(Array("HTTP/1.1 101 X\r\nA: \(filler)\r\n\r\n".utf8))
            await peer.waitForEnd()
        },
        "head-too-long": HostileScript { peer, _ in
            try await peer.readAnyRequest()
            let headers = (0..<300).map { "A\($0): x\r\n" }.joined()
            try await peer.send(Array("HTTP/1.1 101 X\r\n\(headers)\r\n".utf8))
            await peer.waitForEnd()
        },
    ]

    /// Not a byte comes through.
    private static let expectNoRequest: Play = { peer, _ in
        let bytes = await peer.receivedBytes()
        if bytes > 0 { throw RequestLeft(bytes: bytes) }
    }

    struct RequestLeft: Error { var bytes: Int }
}

extension TestPeer {
    /// Everything until the client's end of file, or the failure of a handshake.
    func receivedBytes() async -> Int {
        while (try? await readHead()) != nil { return 1 }
        return unread
    }

    /// Ends the connection so that the client gets a reset.
    func reset() async throws {
        guard let socket = channel as? any SocketOptionProvider else { return }
        try await socket.setSoLinger(.init(l_onoff: 1, l_linger: 0)).get()
        try await channel.close()
    }
}
