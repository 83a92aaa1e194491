/// The messages that end one job, from the moment in which they are handed out until one of them is confirmed: so long the
/// end may still be void. The publisher thread's.
final class SentEnd {
    let stream: AnswerStream
    /// Of the delivery that it ends.
    let generation: UInt64
    /// Of its messages, those that are on the present connection.
    var inFlight = 0
    /// One of its messages has arrived: the others follow it in any case.
    var isKept = false
    /// What is left of its messages is not to be sent.
    private(set) var isVoid = false

    init(stream: AnswerStream, generation: UInt64) {
        self.stream = stream
        self.generation = generation
    }

    func takeBack() {
        guard !isVoid else { return }
        isVoid = true
        stream.takeBack()
    }
}
