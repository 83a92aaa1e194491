import Testing

@testable import AMQP

/// When a publish connection asks whether the broker has an alarm.
@Suite struct AlarmQuestionsTests {
    private enum Step {
        /// A look at this time, in seconds, with so many messages published; and whether to ask.
        case look(Double, published: UInt64, asks: Bool)
        case answered
        case off
    }

    private func run(_ steps: [Step], isOff: Bool = false) {
        var questions = AlarmQuestions(isOff: isOff)
        for (index, step) in steps.enumerated() {
            switch step {
            case .look(let seconds, let published, let asks):
                let isDue = questions.isDue(
                    now: UInt64(seconds * Double(AlarmQuestions.interval)), lastPublished: published)
                #expect(isDue == asks, "step \(index)")
            case .answered: questions.answered()
            case .off: questions.turnOff()
            }
        }
    }

    @Test func asksAtOnceAndThenOnceASecondWhileIdle() {
        run([
            .look(5, published: 0, asks: true), .look(6, published: 0, asks: false), .answered,
            .look(6.1, published: 0, asks: true), .answered, .look(7, published: 0, asks: false),
            .look(7.2, published: 0, asks: true),
        ])
    }

    @Test func everyMessageIsAQuestionByItself() {
        run([
            .look(1, published: 1, asks: false), .look(2, published: 2, asks: false),
            .look(3, published: 9, asks: false), .look(4, published: 9, asks: true),
        ])
    }

    @Test func offIsOff() {
        run([.look(1, published: 0, asks: false)], isOff: true)
        run([.off, .look(1, published: 0, asks: false)])
    }
}
