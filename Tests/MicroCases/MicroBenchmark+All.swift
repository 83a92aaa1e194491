extension MicroBenchmark {
    /// Every case, in the order of the way of a job: in, through, out.
    public static let all: [MicroBenchmark] = gateway + answers + shapes + broker + [whole] + jobs

    /// A token as other providers write it.
    private static let shapes = FieldShape.allCases.map { shape in
        MicroBenchmark(
            "field/\(shape.rawValue)", "a token of this shape scanned, appended and taken", iterations: 5_000,
            make: { try FieldShapeCase(shape) })
    }

    /// What comes from the gateway, for each token.
    private static let gateway = [
        MicroBenchmark(
            "websocket/frame", "a frame of 290 bytes, its UTF-8 checked", iterations: 20_000,
            make: { WebSocketFrameCase(payload: Samples.openAIChunk) }),
        MicroBenchmark(
            "scanner/openai", "a chunk of 286 bytes", iterations: 10_000,
            make: { try FrameScanCase(Samples.openAIChunk) }),
        MicroBenchmark(
            "scanner/korean", "a short chunk, not ASCII", iterations: 10_000,
            make: { try FrameScanCase(Samples.koreanChunk) }),
        MicroBenchmark(
            "scanner/2k", "a chunk with 2 KiB of text", iterations: 2_000,
            make: { try FrameScanCase(Samples.longChunk) }),
        MicroBenchmark(
            "scanner/again", "a chunk of 286 bytes after one like it", iterations: 20_000,
            make: { try FrameMemoryCase(Samples.openAIChunk) }),
    ]

    /// From a scanned chunk to the body of a reply.
    private static let answers = [
        MicroBenchmark(
            "log/1", "1 token appended, 1 chunk taken", iterations: 10_000,
            make: { try AnswerLogCase(tokens: 1) }),
        MicroBenchmark(
            "log/64", "64 tokens appended, 1 chunk taken", iterations: 500,
            make: { try AnswerLogCase(tokens: 64) }),
        MicroBenchmark(
            "stream/1", "1 token appended, 1 message taken and stamped", iterations: 10_000,
            make: { try AnswerStreamCase(tokens: 1) }),
        MicroBenchmark(
            "stream/64", "64 tokens appended, 1 message taken and stamped", iterations: 500,
            make: { try AnswerStreamCase(tokens: 64) }),
        MicroBenchmark(
            "stream/answer", "a new answer of 200 tokens, each its own message", iterations: 100,
            make: { try WholeAnswerCase(tokens: 200) }),
    ]

    /// Between the worker and the broker.
    private static let broker = [
        MicroBenchmark(
            "template/stamp", "sequence, offset and message id of one message", iterations: 20_000,
            make: { try TemplateCase() }),
        MicroBenchmark(
            "confirms/1", "1 published, 1 confirmed", iterations: 20_000,
            make: { ConfirmWindowCase(batch: 1) }),
        MicroBenchmark(
            "confirms/64", "64 published, all confirmed at once", iterations: 1_000,
            make: { ConfirmWindowCase(batch: 64) }),
        MicroBenchmark(
            "amqp/ack", "the frame of a confirm", iterations: 20_000,
            make: { AcknowledgeCase() }),
        MicroBenchmark(
            "amqp/delivery", "a message of 300 bytes in three frames", iterations: 5_000,
            make: { DeliveryCase(size: 300) }),
    ]

    private static let whole = MicroBenchmark(
        "token/whole", "one token from its frame to its confirm", iterations: 4_000,
        make: { try TokenPathCase() })

    /// Once a job.
    private static let jobs = [
        MicroBenchmark(
            "job/1k", "a job of 1 KiB read, its request spliced", iterations: 500,
            make: { try JobCase(size: 1 << 10) }),
        MicroBenchmark(
            "job/50k", "a job of 50 KiB read, its request spliced", iterations: 20,
            make: { try JobCase(size: 50 << 10) }),
        MicroBenchmark(
            "webhook/sign", "a body of 2 KiB signed", iterations: 200,
            make: { try SignatureCase(size: 2 << 10) }),
    ]
}
