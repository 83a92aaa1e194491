import Testing

@testable import ChatModel

/// What RabbitMQ makes is accepted, and nothing that it has not made: 3.10 to 4.0 close the connection over it.
@Suite struct DirectReplyNameTests {
    static let good =
        "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw=="

    private static let names: [(String, Bool)] = [
        (good, true),
        ("amq.rabbitmq.reply-to", false),
        ("amq.rabbitmq.reply-to.", false),
        ("amq.rabbitmq.reply-to.x.y", false),
        ("amq.rabbitmq.reply-to.x", false),
        ("chat.reply.acme", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw==.", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw==.AAAA", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw== ", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw=", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw", false),
        ("Xamq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw==", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wh=.V/BE0fSg1i3Cp0bpYeJqWw==", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg.=V/BE0fSg1i3Cp0bpYeJqWw==", false),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V_BE0fSg1i3Cp0bpYeJqWw==", false),
        // pid ext
        ("amq.rabbitmq.reply-to.g2d2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGU=.AAECAwQFBgcICQoLDA0ODw==", true),
        // short atom
        ("amq.rabbitmq.reply-to.g1h3D3JlcGx5QDEyMTg5OTIwMQAACWIAABDEZSndaA==.AAECAwQFBgcICQoLDA0ODw==", true),
        // one digit
        ("amq.rabbitmq.reply-to.g1h2AAdyZXBseUAwAAAJYgAAEMRlKd1o.AAECAwQFBgcICQoLDA0ODw==", true),
        // most
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzQyMTc3MjcAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", true),
        // over most
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzQyMTc3MjgAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // leading zero
        ("amq.rabbitmq.reply-to.g1h2AAlyZXBseUAwMTIAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // no hash
        ("amq.rabbitmq.reply-to.g1h2AAZyZXBseUAAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // real node
        ("amq.rabbitmq.reply-to.g1h2AAtyYWJiaXRAaG9zdAAACWIAABDEZSndaA==.AAECAwQFBgcICQoLDA0ODw==", false),
        // no at
        ("amq.rabbitmq.reply-to.g1h2AAVyZXBseQAACWIAABDEZSndaA==.AAECAwQFBgcICQoLDA0ODw==", false),
        // letters
        ("amq.rabbitmq.reply-to.g1h2AAlyZXBseUAxMmEAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // version
        ("amq.rabbitmq.reply-to.glh2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // kind
        ("amq.rabbitmq.reply-to.g2h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODw==", false),
        // atom
        ("amq.rabbitmq.reply-to.g1hkD3JlcGx5QDEyMTg5OTIwMQAACWIAABDEZSndaA==.AAECAwQFBgcICQoLDA0ODw==", false),
        // short
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Q==.AAECAwQFBgcICQoLDA0ODw==", false),
        // key short
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0O", false),
        // key long
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.AAECAwQFBgcICQoLDA0ODxA=", false),
    ]

    @Test(arguments: names)
    func onlyWhatRabbitMQMakesIsAName(name: String, isValid: Bool) {
        #expect(DirectReplyName.isValid(name) == isValid)
        #expect(ReplyRules(allow: ["*"]).allows(name, for: "acme") == (isValid || name.first != "a"))
    }

    /// No prefix of a name and no name with a byte changed traps.
    @Test func brokenNamesAreJudgedWithoutATrap() {
        let bytes = Array(Self.good.utf8)
        for place in bytes.indices {
            #expect(!DirectReplyName.isValid(String(decoding: bytes[..<place], as: UTF8.self)))
            for byte: UInt8 in [0, 0x2E, 0x3D, 0x41, 0x7F, 0xFF] {
                var changed = bytes
                changed[place] = byte
                _ = DirectReplyName.isValid(String(decoding: changed, as: UTF8.self))
            }
        }
    }
}
