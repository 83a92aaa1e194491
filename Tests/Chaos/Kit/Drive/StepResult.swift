/// What one fault did.
package struct StepResult: Sendable, Equatable {
    package var fault: String
    package var seed: UInt64
    /// Seconds since the run began: before the harm, and when all jobs that had been there were done.
    package var from: Double
    package var to: Double
    /// From the end of the harm until every job that was confirmed by then had its terminal and its webhook. A job that
    /// meets no harm takes a second or two.
    package var recovery: Double?
    package var kills: Int
    /// Jobs published while it lasted.
    package var jobs = 0
    /// What the fault chose by chance, in words.
    package var note: String
}
