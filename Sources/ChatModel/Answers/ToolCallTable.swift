/// The tool calls of an answer, told apart as well as their fragments allow.
///
/// OpenAI's fragments say by `index` which call they belong to, and the first one has id and name. Elsewhere all calls have
/// index 0, or none; then a fragment with another id and a name, or with a name after arguments that are whole, begins
/// another call. Readers get an index of its own for each.
struct ToolCallTable: Sendable {
    struct Call: Sendable {
        let choice: Int32
        /// The index that the gateway gives it; -1: none.
        let wireIndex: Int32
        /// The index that readers are told.
        let index: Int32
        var id: [UInt8] = []
        var type: [UInt8] = []
        var name: [UInt8] = []
        /// It has arguments; and those make a JSON value.
        var hasArguments = false
        var nesting = ArgumentNesting()
        /// What readers had of it in this attempt.
        var sentID = false
        var sentName = false
    }

    /// A fragment, as the scanner found it.
    struct Fragment {
        var choice: Int32
        var wireIndex: Int32
        var id = UnsafeRawBufferPointer(start: nil, count: 0)
        var type = UnsafeRawBufferPointer(start: nil, count: 0)
        var name = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// More are not told apart; OpenAI allows 128.
    static let mostCalls = 1024

    private(set) var calls: [Call] = []

    subscript(_ place: Int) -> Call {
        get { calls[place] }
        _modify { yield &calls[place] }
    }

    /// Readers are told everything again.
    mutating func rewind() {
        for place in calls.indices { (calls[place].sentID, calls[place].sentName) = (false, false) }
    }

    /// The call that a fragment belongs to. `isNews`: it has begun with it, or has its id or name from it.
    mutating func resolve(_ fragment: Fragment) -> (place: Int, isNews: Bool) {
        let known = place(of: fragment)
        let place = known ?? begin(fragment)
        var isNews = known == nil
        if calls[place].id.isEmpty, !fragment.id.isEmpty {
            calls[place].id = Array(fragment.id)
            isNews = true
        }
        if calls[place].name.isEmpty, !fragment.name.isEmpty {
            calls[place].name = Array(fragment.name)
            isNews = true
        }
        if calls[place].type.isEmpty { calls[place].type = Array(fragment.type) }
        return (place, isNews)
    }

    private func place(of fragment: Fragment) -> Int? {
        // The last one under that index; of fragments without one, the last of all.
        let last = calls.indices.last {
            calls[$0].choice == fragment.choice
                && (fragment.wireIndex < 0 || calls[$0].wireIndex == fragment.wireIndex)
        }
        guard let last else { return nil }
        guard !isFull else { return last }
        if !fragment.id.isEmpty, calls[last].id.elementsEqual(fragment.id) { return last }
        if !fragment.id.isEmpty, let same = place(withID: fragment) { return same }
        // Without a name it goes on, whatever its id is.
        guard !fragment.name.isEmpty else { return last }
        let call = calls[last]
        if call.name.isEmpty { return call.id.isEmpty || fragment.id.isEmpty ? last : nil }
        if !fragment.id.isEmpty, !call.id.isEmpty { return nil }
        guard call.name.elementsEqual(fragment.name) else { return nil }
        return call.nesting.isWhole ? nil : last
    }

    private func place(withID fragment: Fragment) -> Int? {
        calls.indices.last {
            calls[$0].choice == fragment.choice && calls[$0].id.elementsEqual(fragment.id)
                && (fragment.wireIndex < 0 || calls[$0].wireIndex == fragment.wireIndex)
        }
    }

    private var isFull: Bool { calls.count >= Self.mostCalls }

    private mutating func begin(_ fragment: Fragment) -> Int {
        var highest: Int32 = -1
        var isTaken = fragment.wireIndex < 0 || fragment.wireIndex > FrameScanner.maximumChoice
        for call in calls where call.choice == fragment.choice {
            highest = max(highest, call.index)
            isTaken = isTaken || call.index == fragment.wireIndex
        }
        calls.append(
            Call(
                choice: fragment.choice, wireIndex: fragment.wireIndex,
                index: isTaken ? highest &+ 1 : fragment.wireIndex))
        return calls.count &- 1
    }
}

/// Whether a text that comes in pieces makes a whole JSON object or list so far. Only brackets and strings are looked at.
struct ArgumentNesting: Sendable, Equatable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var hasBegun = false

    /// An object or a list has begun and has come to its end.
    var isWhole: Bool { hasBegun && depth <= 0 && !isInString }

    /// - Parameter raw: the next piece, as raw contents of a JSON string: quotes in it have a backslash before them.
    mutating func read(_ raw: UnsafeRawBufferPointer) {
        JSONText.decode(raw) { piece in
            for byte in piece { read(byte) }
        }
    }

    private mutating func read(_ byte: UInt8) {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == 0x5C {
                isEscaped = true
            } else if byte == 0x22 {
                isInString = false
            }
            return
        }
        switch byte {
        case 0x22: isInString = true
        case 0x7B, 0x5B:
            hasBegun = true
            depth &+= 1
        case 0x7D, 0x5D: depth &-= 1
        default: break
        }
    }
}
