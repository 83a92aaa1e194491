internal import AMQP

/// What a list of frames must add up to: AMQP 0-9-1's rules for contents, written once more and differently.
struct ContentModel {
    enum Outcome: Equatable {
        case nothing, violation
        /// An event that is no content.
        case event
        /// A content whose last frame this is; `kept` says whether its body is handed out.
        case content(Kind, size: UInt64, kept: Bool)
    }

    enum Kind: Equatable { case delivery, get, back }

    private enum Place { case outside, header, body }

    private let maximum: Int
    private let cap: UInt64
    private var place = Place.outside
    private var kind = Kind.delivery
    private var announced: UInt64 = 0
    /// The bytes of the present content, or of the last one where none is open.
    private(set) var bytes: [UInt8] = []
    private var isOpen = false

    init(maximum: Int, cap: UInt64) {
        self.maximum = maximum
        self.cap = cap
    }

    /// Bytes that have come of the content that is open.
    var received: Int { isOpen ? bytes.count : 0 }

    func isOversize(_ size: UInt64) -> Bool { size > UInt64(max(maximum, 0)) }

    mutating func consume(_ frame: IncomingFrame) -> Outcome {
        let outcome = judge(frame)
        switch outcome {
        case .violation, .content:
            place = .outside
            isOpen = false
        case .nothing, .event: break
        }
        return outcome
    }

    private mutating func judge(_ frame: IncomingFrame) -> Outcome {
        switch frame {
        case .method(0, .connectionClose), .method(0, .blocked), .method(0, .unblocked): return .event
        case .method(0, _): return .nothing
        case .method(1, .channelClose):
            place = .outside
            isOpen = false
            return .event
        case .method(1, let method): return place == .outside ? begin(method) : .violation
        case .method: return .violation
        case .header(let channel, let classID, let size, _):
            guard channel == 1, place == .header, classID == 60 else { return .violation }
            announced = size
            place = .body
            return size == 0 ? content : .nothing
        case .body(let channel, let part):
            guard channel == 1, place == .body, UInt64(bytes.count + part.count) <= announced else {
                return .violation
            }
            bytes.append(contentsOf: part)
            return UInt64(bytes.count) == announced ? content : .nothing
        }
    }

    private mutating func begin(_ method: IncomingMethod) -> Outcome {
        switch method {
        case .deliver: kind = .delivery
        case .getOk: kind = .get
        case .returned: kind = .back
        case .connectionClose, .blocked, .unblocked, .other: return .nothing
        default: return .event
        }
        place = .header
        bytes = []
        isOpen = true
        return .nothing
    }

    private var content: Outcome { .content(kind, size: announced, kept: kind != .back && announced <= cap) }
}
