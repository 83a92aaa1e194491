import Gateway

extension HostileScript {
    private static let limit = 10_000

    static let answers: [String: HostileScript] = [
        "garbage": message("{\"id\": this is not JSON"),
        "garbage-in-mid-answer": begun { peer, _ in
            try await peer.send("nonsense")
            await peer.waitForEnd()
        },
        "other-json": nothing(#"{"hello":"world"}"#),
        "other-types": nothing(#"{"id":"a1","object":"chat.completion.chunk","choices":"none"}"#),
        "empty-chunks": asked(change: briefly) { peer, _ in
            while true {
                try await peer.send(#"{"id":"a1","object":"chat.completion.chunk","choices":[]}"#)
                try await Task.sleep(for: .milliseconds(20))
            }
        },
        "deep-json": message(#"{"choices":"# + String(repeating: "[", count: 100_000)),
        "not-utf8": begun { peer, _ in
            try await peer.send(bytes: [0x22, 0xFF, 0x22])
            await peer.waitForEnd()
        },
        "cut-character": begun { peer, _ in
            try await peer.send(bytes: [0x22, 0xED, 0x95])
            await peer.waitForEnd()
        },
        "mixed-ids": begun { peer, _ in
            try await peer.send(AnswerText.chunk("b", id: "other"))
            await peer.waitForEnd()
        },
        "done-too-early": begun { peer, _ in
            try await peer.send("[DONE]")
            await peer.waitForEnd()
        },
        "oversize-event": asked(change: { $0.maximumMessageSize = limit }) { peer, _ in
            try await peer.send(AnswerText.chunk(String(repeating: "x", count: limit)))
            await peer.waitForEnd()
        },
        "drip": asked(text: GatewayStreamingTests.text) { peer, _ in
            let events = [AnswerText.chunk(GatewayStreamingTests.text), AnswerText.finish(), AnswerText.usage()]
            try await peer.drip(events.flatMap { peer.message($0) })
            await peer.waitForEnd()
        },
        "drip-without-end": begun(change: briefly) { peer, seen in
            try await seen.wait()
            let endless = AnswerText.chunk(String(repeating: "x", count: 6000))
            try await peer.drip(peer.message(endless), every: .milliseconds(2))
        },
        "silence": begun(change: briefly) { peer, _ in await peer.waitForEnd() },
        "signs-of-life": begun(change: briefly) { peer, _ in
            while true {
                if peer.transport == .websocket {
                    try await peer.send(ServerFrame.frame(9, [1]))
                } else {
                    try await peer.send(peer.body(Array(": keep-alive\n\n".utf8)))
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        },
        "silence-after-the-finish": begun(text: "a", change: { $0.bodyEndTimeout = .milliseconds(50) }) { peer, _ in
            try await peer.send(AnswerText.finish())
            await peer.waitForEnd()
        },
    ]

    static let ends: [String: HostileScript] = [
        "cut": begun { peer, seen in try await seen.wait() },
        "reset": begun { peer, seen in
            try await seen.wait()
            try await peer.reset()
        },
        "body-cut": begun { peer, _ in try await peer.send(Array("ff\r\ndata: {".utf8)) },
        "body-ends": asked { peer, _ in
            try await peer.finish(AnswerText.chunk("a"))
            await peer.waitForEnd()
        },
        "bad-chunk-size": begun { peer, _ in
            try await peer.send(Array("zz\r\n".utf8))
            await peer.waitForEnd()
        },
        "close-none": close(nil), "close-1000": close(1000), "close-1001": close(1001), "close-1003": close(1003),
        "close-1006": close(1006), "close-1007": close(1007), "close-1008": close(1008), "close-1009": close(1009),
        "close-1011": close(1011), "close-1012": close(1012), "close-1013": close(1013), "close-4000": close(4000),
    ]

    /// A message that says nothing, and nothing more.
    private static func nothing(_ text: String) -> HostileScript {
        asked(change: briefly) { peer, _ in
            try await peer.send(text)
            await peer.waitForEnd()
        }
    }

    private static func close(_ code: UInt16?) -> HostileScript {
        begun { peer, _ in
            try await peer.send(ServerFrame.close(code, code == nil ? [] : Array("sk-test-0123456789".utf8)))
            await peer.waitForEnd()
        }
    }
}

extension TestPeer {
    /// A message that may be no text.
    func send(bytes: [UInt8]) async throws {
        if transport == .websocket { return try await send(ServerFrame.frame(1, bytes)) }
        try await send(body(Array("data: ".utf8) + bytes + [10, 10]))
    }
}
