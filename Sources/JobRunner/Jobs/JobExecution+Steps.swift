internal import ChatModel
internal import Logging

/// The steps of a job at debug level: of all jobs, where that level is on, or of a share of them. Nothing for a token.
extension JobExecution {
    func tell(_ step: Logger.Message, _ more: @autoclosure () -> Logger.Metadata = [:]) {
        guard tellsSteps else { return }
        var logger = host.logger
        // Sampled ones are told whatever the level is.
        logger.logLevel = min(logger.logLevel, .debug)
        logger.debug(
            step,
            metadata: more().merging([
                LogKey.job: "\(job.id)", LogKey.customer: "\(job.customer)", LogKey.attempt: "\(machine.attempt.value)",
            ]) { $1 })
    }

    /// Of a sampled job all lives are, on all workers.
    ///
    /// - Parameter share: 0 to 1.
    static func isSampled(_ key: JobKey, share: Double) -> Bool {
        guard share > 0 else { return false }
        // FNV-1a, then mixed: its upper bits hardly move for short texts.
        var hash = (key.customer + "/" + key.id).utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        hash = (hash ^ hash >> 32) &* 0x9e37_79b9_7f4a_7c15
        return Double(hash >> 11) < share * Double(UInt64(1) << 53)
    }
}
