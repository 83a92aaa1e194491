#if canImport(Glibc)
    internal import Glibc
#endif

/// Tells whose answer a chunk belongs to, on a connection that carries one request after another.
///
/// Pure. A chunk is judged by its top-level `id`: that of an earlier answer is late and must not be passed on; one that
/// changes within an answer shows that answers are mixed. A connection whose chunks do not all say whose they are is
/// not used for another request, so that one customer's text can never reach another's queue.
struct AnswerIdentity {
    enum Verdict: Equatable {
        case own
        /// Of an earlier answer, or of nobody who can be told.
        case late
        /// Two answers in one stream.
        case mixed
    }

    /// How many earlier answers are remembered, eight bytes each.
    static let rememberedAnswers = 16

    /// The raw `id` of the answer under way; its storage is kept from one to the next.
    private var current: [UInt8] = []
    /// Hashes of the ids of earlier answers, the oldest replaced first.
    private var earlier: [UInt64] = []
    private var oldest = 0
    private var isReused = false
    /// Something of worth came without an id.
    private var hasUnmarked = false
    /// The last answer ended by its usage chunk or by silence: its `[DONE]` may still come.
    private var awaitsDone = false

    /// Judges a chunk.
    ///
    /// - Parameter isSubstantial: it carries output, a finish reason or usage.
    mutating func admit(id: UnsafeRawBufferPointer, isSubstantial: Bool) -> Verdict {
        guard !id.isEmpty else {
            if !isReused {
                hasUnmarked = hasUnmarked || isSubstantial
                return .own
            }
            return isSubstantial ? .mixed : .late
        }
        if !current.isEmpty {
            if isCurrent(id) { return .own }
            return earlier.contains(Self.hash(id)) ? .late : .mixed
        }
        if !earlier.isEmpty, earlier.contains(Self.hash(id)) { return .late }
        current.append(contentsOf: id)
        awaitsDone = false
        return .own
    }

    /// A `[DONE]` came. `true`: it is the one that the answer before still owed.
    mutating func takeLateDone() -> Bool {
        defer { awaitsDone = false }
        return awaitsDone
    }

    /// The answer ended cleanly. `true`: the connection may take another request.
    mutating func endAnswer(sawDone: Bool) -> Bool {
        let isSafe = !current.isEmpty && !hasUnmarked
        current.withUnsafeBytes { id in
            let hash = Self.hash(id)
            if earlier.count < Self.rememberedAnswers {
                earlier.append(hash)
            } else {
                earlier[oldest] = hash
                oldest = (oldest &+ 1) % Self.rememberedAnswers
            }
        }
        current.removeAll(keepingCapacity: true)
        isReused = true
        awaitsDone = !sawDone
        return isSafe
    }

    private func isCurrent(_ id: UnsafeRawBufferPointer) -> Bool {
        guard let address = id.baseAddress, current.count == id.count else { return false }
        return current.withUnsafeBytes { current in
            current.baseAddress.map { memcmp($0, address, id.count) == 0 } ?? false
        }
    }

    private static func hash(_ id: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: id)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
