/// Where a secret is to be found. The configuration holds these and never the secret.
public struct SecretSource: Sendable, Equatable {
    /// An absolute path, or the name of a file in `$CREDENTIALS_DIRECTORY`. It is looked at first.
    public var file: String?
    /// An environment variable; asked where the file does not exist.
    public var environmentVariable: String?

    public init(file: String? = nil, environmentVariable: String? = nil) {
        self.file = file
        self.environmentVariable = environmentVariable
    }

    /// What systemd takes as a credential's name, and nothing that leaves the directory.
    static func isCredentialName(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name != "." && name != ".." && !name.contains("/")
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
