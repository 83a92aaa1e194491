/// Turns a name into addresses. A seam: tests put their own here and rebind names between two calls.
public protocol HostResolver: Sendable {
    /// All addresses of `name`, the one to prefer first. Returns or throws by `deadline`; never blocks the caller's
    /// thread. Throws `HostResolverError`.
    func addresses(of name: String, deadline: ContinuousClock.Instant) async throws -> [IPAddress]

    /// The same for a customer, whose look-ups must not be in the way of others'. What the caller waited for its turn is
    /// added to `deadline`.
    func resolve(
        _ name: String, for customer: String, deadline: ContinuousClock.Instant
    ) async throws -> HostResolution
}

/// A name's addresses, and how long the caller waited until they were looked up at all.
public struct HostResolution: Sendable, Equatable {
    public var addresses: [IPAddress]
    public var waited: Duration

    public init(addresses: [IPAddress], waited: Duration = .zero) {
        self.addresses = addresses
        self.waited = waited
    }
}

extension HostResolver {
    public func resolve(
        _ name: String, for customer: String, deadline: ContinuousClock.Instant
    ) async throws -> HostResolution {
        HostResolution(addresses: try await addresses(of: name, deadline: deadline))
    }
}

public enum HostResolverError: Error, Sendable, Equatable {
    /// The system's words.
    case failed(String)
    case timedOut
    /// The name was not looked up, because too many others are: that says nothing about the name.
    case busy
    case stopped
}
