/// Which parts of an answer the HTTP client may see, and in which order. The client ends the process when a peer sends
/// what it does not expect: a status under 100, a second head, a 101 that another head follows, a body that no head came
/// before. So each part is judged here first. Pure; one for each HTTP/1.1 connection, and for each stream of HTTP/2.
struct AnswerOrder {
    /// What the peer sent is no answer to what was asked.
    struct InvalidAnswer: Error, Equatable, CustomStringConvertible {
        /// One line without anything that the peer wrote but numbers.
        let description: String
    }

    enum Verdict: Equatable {
        case pass
        /// Allowed, and of no use to the client: interim answers.
        case drop
        /// From now on everything is dropped.
        case refuse(InvalidAnswer)
    }

    private enum State {
        /// Nothing was asked.
        case idle
        /// No head came yet but so many interim ones.
        case waiting(interim: Int)
        case body
        case refused
    }

    /// Answers of 1xx before the final one; more of them are no help to anybody.
    static let mostInterim = 32

    private var state = State.idle
    /// Requests that began, this one included.
    private(set) var requests = 0

    /// The last request has no byte of an answer that counts.
    var isUnanswered: Bool {
        if case .waiting(interim: 0) = state { true } else { false }
    }

    /// The head has come, the end has not.
    var isInBody: Bool {
        if case .body = state { true } else { false }
    }

    mutating func requestBegan() {
        requests += 1
        if case .refused = state { return }
        state = .waiting(interim: 0)
    }

    /// - Parameter status: `nil` where there is none that could be read.
    mutating func head(status: Int?) -> Verdict {
        switch state {
        case .refused: return .drop
        case .idle: return refuse("an answer that nothing was asked for")
        case .body: return refuse("a second head before the end of the answer")
        case .waiting(let interim):
            switch status {
            case 101: return refuse("a switch of protocols that nobody asked for")
            case .some(100..<200):
                guard interim < Self.mostInterim else { return refuse("more than \(Self.mostInterim) interim answers") }
                state = .waiting(interim: interim + 1)
                return .drop
            case .some(200...999):
                state = .body
                return .pass
            case .some(let status): return refuse("the status \(status)")
            case nil: return refuse("no status")
            }
        }
    }

    mutating func body() -> Verdict {
        switch state {
        case .refused: .drop
        case .body: .pass
        case .idle, .waiting: refuse("a body without a head")
        }
    }

    mutating func end() -> Verdict {
        switch state {
        case .refused: return .drop
        case .body:
            state = .idle
            return .pass
        case .idle, .waiting: return refuse("the end of an answer that did not begin")
        }
    }

    private mutating func refuse(_ what: String) -> Verdict {
        state = .refused
        return .refuse(InvalidAnswer(description: what))
    }
}
