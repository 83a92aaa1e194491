import NIOCore

/// Everything about one answer that is known when it begins.
struct AnswerPlan: Sendable {
    var id: String
    var model: String
    var created: Int
    var choices: [ChoicePlan]
    var promptTokens: Int
    var sendsUsage: Bool
    var sendsDone: Bool
    /// Of each choice; 0 is as fast as the connection takes it.
    var tokensPerSecond: Double
    var firstTokenDelay: TimeAmount
    var fault: Fault?
    /// The chunk that an earlier answer on this connection left behind, to be sent among this one's.
    var lateChunk: [UInt8]?
    /// Keeps the text as it is sent, for sources that cannot give it later.
    var recordsText: Bool
    /// Played in place of the choices.
    var shape: ProviderShape?

    /// The longest choice, or the frames of the shape.
    var roundCount: Int {
        if let shape { return shape.steps.count { if case .frame = $0 { true } else { false } } }
        return choices.reduce(0) { max($0, $1.tokenCount) }
    }

    /// Random whatever the seed, so that the answers of two runs are never mixed.
    static func newID() -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        // One system call instead of one for every letter.
        var generator = SeededGenerator(seed: .random(in: .min ... .max))
        let suffix = (0..<24).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
        return "chatcmpl-" + String(decoding: suffix, as: UTF8.self)
    }
}
