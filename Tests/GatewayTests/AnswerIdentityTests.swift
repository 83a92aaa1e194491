import Testing

@testable import Gateway

@Suite struct AnswerIdentityTests {
    /// The identity behind a reference, because an expectation cannot call a mutating method.
    private final class Identity {
        private var identity = AnswerIdentity()
        func admit(_ id: String, substantial: Bool = true) -> AnswerIdentity.Verdict {
            Array(id.utf8).withUnsafeBytes { identity.admit(id: $0, isSubstantial: substantial) }
        }
        func endAnswer(sawDone: Bool) -> Bool { identity.endAnswer(sawDone: sawDone) }
        func takeLateDone() -> Bool { identity.takeLateDone() }
    }

    @Test func ownLateMixed() {
        let identity = Identity()
        #expect(identity.admit("a") == .own)
        #expect(identity.admit("a") == .own)
        #expect(identity.admit("b") == .mixed)
        #expect(identity.endAnswer(sawDone: true))
        #expect(identity.admit("a") == .late)
        #expect(identity.admit("c") == .own)
        #expect(identity.admit("a") == .late)
        #expect(identity.admit("d") == .mixed)
    }

    @Test func withoutIdsNothingIsReused() {
        let identity = Identity()
        #expect(identity.admit("") == .own)
        #expect(!identity.endAnswer(sawDone: true))
    }

    @Test func oneTextWithoutIdIsEnough() {
        let identity = Identity()
        #expect(identity.admit("a") == .own)
        #expect(identity.admit("") == .own)
        #expect(!identity.endAnswer(sawDone: true))
    }

    /// Azure's first chunk carries filter results and an empty id.
    @Test func emptyChunksWithoutIdDoNotMatter() {
        let identity = Identity()
        #expect(identity.admit("", substantial: false) == .own)
        #expect(identity.admit("a") == .own)
        #expect(identity.endAnswer(sawDone: true))
        #expect(identity.admit("", substantial: false) == .late)
        #expect(identity.admit("", substantial: true) == .mixed)
    }

    @Test func remembersTheLastSixteen() {
        let identity = Identity()
        for number in 0..<20 {
            #expect(identity.admit("answer-\(number)") == .own)
            #expect(identity.endAnswer(sawDone: true))
        }
        for number in 4..<20 { #expect(identity.admit("answer-\(number)") == .late) }
        #expect(identity.admit("answer-3") == .own)
    }

    @Test func lateDone() {
        let identity = Identity()
        #expect(!identity.takeLateDone())
        _ = identity.admit("a")
        _ = identity.endAnswer(sawDone: false)
        #expect(identity.takeLateDone())
        #expect(!identity.takeLateDone())
        _ = identity.admit("b")
        _ = identity.endAnswer(sawDone: false)
        _ = identity.admit("c")
        #expect(!identity.takeLateDone(), "after the first chunk of the next answer it is that one's")
        _ = identity.endAnswer(sawDone: true)
        #expect(!identity.takeLateDone())
    }
}
