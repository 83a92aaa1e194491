/// Work that is measured: made ready by an initialiser, then done as often as asked.
public protocol MicroCase {
    /// Does the operation so many times. What it needs beforehand, and what grows only once, is not part of it.
    ///
    /// - Returns: a sum over what came out, so that nothing is optimised away; 0 where the operation does not work.
    mutating func run(_ iterations: Int) -> UInt64
}

/// A case could not be made ready: a sample is not what it is meant to be.
struct BrokenSample: Error, CustomStringConvertible {
    let description: String
}
