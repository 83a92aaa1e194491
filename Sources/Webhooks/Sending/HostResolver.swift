/// Turns a name into addresses. A seam: tests put their own here and rebind names between two calls.
public protocol HostResolver: Sendable {
    /// All addresses of `name`, the one to prefer first. Returns or throws by `deadline`; never blocks the caller's
    /// thread. Throws `HostResolverError`.
    func addresses(of name: String, deadline: ContinuousClock.Instant) async throws -> [IPAddress]
}

public enum HostResolverError: Error, Sendable, Equatable {
    /// The system's words.
    case failed(String)
    case timedOut
    case stopped
}
