import Gateway

extension HostileScript {
    private static let limit = 10_000

    static let frames: [String: HostileScript] = [
        "oversize-frame": asked { peer, _ in
            try await peer.send([0x81, 127, 0, 0, 0, 0, 0x80, 0, 0, 0] + Array("{\"id\":".utf8))
            await peer.waitForEnd()
        },
        "oversize-message": asked(change: { $0.maximumMessageSize = limit }) { peer, _ in
            let part = [UInt8](repeating: 0x20, count: 1000)
            try await peer.send(ServerFrame.frame(1, part, fin: false))
            for _ in 0..<(limit / 1000) { try await peer.send(ServerFrame.frame(0, part, fin: false)) }
            await peer.waitForEnd()
        },
        "fragments": asked { peer, _ in
            try await peer.send(fragmented(AnswerText.chunk("a"), into: 100_000))
            await peer.waitForEnd()
        },
        "fragments-allowed": asked(text: "a", change: { $0.maximumFragments = 100_001 }) { peer, _ in
            try await peer.send(fragmented(AnswerText.chunk("a"), into: 100_000))
            try await peer.send(AnswerText.finish(), AnswerText.usage())
            await peer.waitForEnd()
        },
        "fragments-without-end": asked { peer, _ in
            try await peer.send(ServerFrame.frame(1, [], fin: false))
            let many = (0..<1000).flatMap { _ in ServerFrame.frame(0, [], fin: false) }
            while true { try await peer.send(many) }
        },
        "pings-inside-fragments": asked(text: GatewayStreamingTests.text) { peer, _ in
            let chunk = fragmented(AnswerText.chunk(GatewayStreamingTests.text), into: 200, pings: true)
            try await peer.send(chunk)
            for _ in 0..<200 {
                let pong = try await peer.readFrame()
                guard pong.opcode == 10, pong.payload == Array("inside".utf8), pong.isMasked else { return }
            }
            try await peer.send(AnswerText.finish(), AnswerText.usage())
            await peer.waitForEnd()
        },
        "pings-flood": begun(text: "a") { peer, _ in
            let ping = ServerFrame.frame(9, [UInt8](repeating: 0x70, count: 125))
            try await peer.send((0..<10_000).flatMap { _ in ping })
            try await peer.send(AnswerText.finish(), AnswerText.usage())
            await peer.waitForEnd()
        },
        "masked-frame": frame(ServerFrame.frame(1, [0x61], mask: [1, 2, 3, 4])),
        "reserved-bits": frame(ServerFrame.frame(1, [], rsv: 4)),
        "reserved-opcode": frame(ServerFrame.frame(3, [])),
        "lone-continuation": frame(ServerFrame.frame(0, [0x61])),
        "interrupted-message": frame(ServerFrame.text("{", fin: false) + ServerFrame.text("{")),
        "long-ping": frame(ServerFrame.frame(9, [UInt8](repeating: 0x70, count: 126))),
    ]

    private static func frame(_ bytes: [UInt8]) -> HostileScript {
        begun { peer, _ in
            try await peer.send(bytes)
            await peer.waitForEnd()
        }
    }

    /// A text message in so many frames, most of them empty where it is shorter, each with a ping behind it if asked for.
    private static func fragmented(_ text: String, into count: Int, pings: Bool = false) -> [UInt8] {
        let bytes = Array(text.utf8)
        let ping = pings ? ServerFrame.frame(9, Array("inside".utf8)) : []
        return (0..<count).flatMap { index in
            let start = index * bytes.count / count
            let end = (index + 1) * bytes.count / count
            return ServerFrame.frame(index == 0 ? 1 : 0, Array(bytes[start..<end]), fin: index == count - 1) + ping
        }
    }
}
