import Foundation
import FuzzChecks
import TestSupport
import Testing

/// What fuzzing found once stays found: every input of the corpus goes through the checks of its target.
@Suite struct CorpusTests {
    static let folder = TestBroker.checkout.appending(path: "Fuzz/Corpus")

    static func inputs(of target: FuzzTarget) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: target.rawValue), includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }
    }

    @Test(arguments: FuzzTarget.allCases) func replay(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        #expect(inputs.count > 10, "the corpus is there")
        for input in inputs {
            let bytes = try Data(contentsOf: input)
            do {
                try bytes.withUnsafeBytes { try target.check($0) }
            } catch {
                Issue.record("\(target) \(input.lastPathComponent): \(error)")
            }
        }
    }

    /// Each input with a byte changed, cut or doubled: a few thousand neighbours, so that a check that fails is seen
    /// also where nobody fuzzes.
    @Test(arguments: FuzzTarget.allCases) func neighbours(_ target: FuzzTarget) throws {
        var random = SeededGenerator(seed: 1)
        for input in try Self.inputs(of: target) {
            let original = Array(try Data(contentsOf: input))
            guard !original.isEmpty else { continue }
            for _ in 0..<20 {
                var bytes = original
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(index...)
                default: bytes.insert(contentsOf: bytes[index...], at: index)
                }
                do {
                    try bytes.withUnsafeBytes { try target.check($0) }
                } catch {
                    Issue.record("\(target) \(input.lastPathComponent): \(error): \(Data(bytes).base64EncodedString())")
                }
            }
        }
    }

    /// Kept small, so that it can be read and replayed with each run of the tests.
    @Test func staysSmall() throws {
        var size = 0
        for target in FuzzTarget.allCases {
            for input in try Self.inputs(of: target) { size += try Data(contentsOf: input).count }
        }
        #expect(size < 200_000)
    }
}
