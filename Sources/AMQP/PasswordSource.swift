/// Where the password of a login comes from. It is asked at each connect, on the thread that connects, which may block for
/// it: so a password that was changed, or a token that was renewed, is used by the next connection without a restart.
public struct PasswordSource: Sendable, Equatable {
    /// In words, for messages, as `/etc/secrets/password (broker.password_file)`. Never the password.
    public let place: String
    private let read: @Sendable () throws(AMQPError) -> String

    /// - Parameter read: throws `configuration` with what is wrong with the place; the connect fails with it, and is tried
    ///   again like any other that failed.
    public init(place: String, read: @escaping @Sendable () throws(AMQPError) -> String) {
        self.place = place
        self.read = read
    }

    /// Two sources are the same if they look in the same place.
    public static func == (left: Self, right: Self) -> Bool { left.place == right.place }

    func password() throws(AMQPError) -> String {
        let password = try read()
        // librabbitmq takes a C string: what follows a NUL would silently be lost.
        guard !password.utf8.contains(0) else {
            throw AMQPError(.configuration, "the password in \(place) holds a NUL byte")
        }
        return password
    }
}
