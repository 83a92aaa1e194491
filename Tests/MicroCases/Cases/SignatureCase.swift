internal import Webhooks

/// `WebhookSigner` with one secret.
struct SignatureCase: MicroCase {
    private let body: [UInt8]
    private let signer: WebhookSigner
    private let identifier = WebhookID.derive(customer: "acme", job: "order-20490131-000017")
    private var timestamp: Int64 = 1_741_569_952

    init(size: Int) throws {
        body = Array(repeating: UInt8(ascii: "x"), count: size)
        signer = WebhookSigner(secrets: [try WebhookSecret(key: Array(0..<32))])
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            timestamp += 1
            let signature = signer.signature(id: identifier, timestamp: timestamp, body: body)
            sum &+= signature.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }
        }
        return sum
    }
}
