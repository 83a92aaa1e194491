package import ChatModel

#if canImport(Glibc)
    internal import Glibc
#endif

extension Duration {
    /// Whole milliseconds; what is below is cut.
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}

/// The clock on the wall, for what others read. Waiting and measuring use the monotonic clock.
package enum WallClock {
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
