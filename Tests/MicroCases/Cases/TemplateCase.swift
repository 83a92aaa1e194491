internal import AMQP
internal import ChatModel

/// `PublishTemplate`: what is overwritten in it for each message.
struct TemplateCase: MicroCase {
    private let template: PublishTemplate
    private var sequence: Int64 = 0

    init() throws(BrokenSample) {
        let job = "order-20490131-000017"
        let address = ReplyAddress(
            queue: "chat.reply.acme", job: job, customer: "acme", correlationID: "c-17", plan: TopologyPlan())
        guard let template = address.template(.chunk, attempt: AttemptNumber(), run: RunID.make()) else {
            throw BrokenSample(description: "an address has no template")
        }
        self.template = template
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        for _ in 0..<iterations {
            // As many digits in each run, whatever went before.
            sequence = 1_000 + (sequence + 1) % 1_000
            template.setInteger(ReplyAddress.Header.sequence, sequence)
            template.setInteger(ReplyAddress.Header.offset, sequence &* 10)
            template.numberMessageID(sequence)
        }
        return UInt64(sequence)
    }
}
