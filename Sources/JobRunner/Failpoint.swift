#if DEBUG
    internal import Synchronization

    #if canImport(Glibc)
        internal import Glibc
    #endif
#endif

/// Places at which a debug build can be made to die, so that a test can show what a crash there costs. With
/// `CHAT_WORKER_FAILPOINT=NAME` in its environment the process kills itself (SIGKILL) when it comes to the place for the
/// first time, with `NAME:K` for the K-th time. Release builds have none of this.
package enum Failpoint: String, CaseIterable, Sendable {
    /// A job's message has come; nothing was looked at.
    case delivered
    /// The gateway took the request of a job whose id begins with `poison-`: it kills every worker that tries.
    case poison
    /// The gateway is about to be asked.
    case begun
    /// The gateway took the request.
    case upgraded
    /// A chunk of the gateway's was taken; with `:K` the K-th of the process.
    case chunk
    case streamEnded = "stream-ended"
    case terminalConfirmed = "terminal-confirmed"
    case webhookQueued = "webhook-queued"
    case usageConfirmed = "usage-confirmed"
    /// All of a job's end is confirmed; its ack is about to be given.
    case acknowledging
    /// The ack was given to the connection's thread; it may have been sent or not.
    case acknowledged = "acked"
    /// A job was put into a waiting queue, confirmed, not acked.
    case parked
    /// A job was put back on its queue, confirmed, not acked.
    case handedBack = "handed-back"
    /// A message was put into the dead-letter queue, confirmed, not acked.
    case deadLettered = "dead-lettered"
    /// A webhook of a job whose id begins with `poison-` was answered: it kills every worker that tries.
    case webhookPoison = "webhook-poison"
    /// A webhook was accepted by its endpoint, not acked.
    case webhookPosted = "webhook-posted"
    /// A webhook that waits was put into its next queue, confirmed, not acked.
    case webhookMoved = "webhook-moved"

    #if DEBUG
        @inline(__always) func hit() {
            if let armed = Self.armed, armed.place == self { Self.strike(armed) }
        }

        private struct Armed: Sendable {
            var place: Failpoint
            var count: Int
        }

        private static let armed: Armed? = {
            guard let text = getenv("CHAT_WORKER_FAILPOINT").map({ String(cString: $0) }) else { return nil }
            let parts = text.split(separator: ":", maxSplits: 1)
            guard let place = parts.first.flatMap({ Failpoint(rawValue: String($0)) }) else {
                preconditionFailure("CHAT_WORKER_FAILPOINT names no failpoint")
            }
            return Armed(place: place, count: parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
        }()

        private static let hits = Atomic<Int>(0)

        private static func strike(_ armed: Armed) {
            if hits.wrappingAdd(1, ordering: .relaxed).newValue == armed.count { kill(getpid(), SIGKILL) }
        }
    #else
        @inline(__always) func hit() {}
    #endif
}
