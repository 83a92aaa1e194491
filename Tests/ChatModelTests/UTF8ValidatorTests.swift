import ChatModel
import TestSupport
import Testing

@Suite struct UTF8ValidatorTests {
    @Test(
        arguments: [
            ([], true), ([0x41, 0x7F], true), ([0xC2, 0x80], true), ([0xE0, 0xA0, 0x80], true),
            ([0xED, 0x9F, 0xBF], true),
            ([0xF0, 0x90, 0x80, 0x80], true), ([0xF4, 0x8F, 0xBF, 0xBF], true), ([0xEF, 0xBB, 0xBF], true),
            ([0x80], false), ([0xC0, 0x80], false), ([0xC1, 0xBF], false), ([0xE0, 0x9F, 0xBF], false),
            ([0xED, 0xA0, 0x80], false), ([0xF0, 0x8F, 0xBF, 0xBF], false), ([0xF4, 0x90, 0x80, 0x80], false),
            ([0xF5, 0x80, 0x80, 0x80], false), ([0xFF], false), ([0xE2, 0x28, 0xA1], false), ([0xE2, 0x82], false),
        ] as [([UInt8], Bool)])
    func wholeTexts(bytes: [UInt8], isValid: Bool) {
        var validator = UTF8Validator()
        let accepted = bytes.withUnsafeBytes { validator.consume($0) }
        #expect((accepted && validator.isAtBoundary) == isValid)
    }

    @Test func anyCutOfAText() {
        let bytes = Array("a한국어👩‍👩‍👧é𠜎 plain ascii that is longer than a word".utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                var validator = UTF8Validator()
                for piece in [bytes[..<first], bytes[first..<second], bytes[second...]] {
                    #expect(Array(piece).withUnsafeBytes { validator.consume($0) }, "\(first) \(second)")
                }
                #expect(validator.isAtBoundary)
            }
        }
    }

    @Test func agreesWithTheStandardLibraryOnRandomBytes() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, UInt8.random(in: 0...255, using: &random)]
                    .randomElement(using: &random) ?? 0
            }
            var validator = UTF8Validator()
            let accepted = bytes.withUnsafeBytes { validator.consume($0) } && validator.isAtBoundary
            #expect(accepted == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }
}
