/// Reads secrets from files, `$CREDENTIALS_DIRECTORY` and environment variables. What it says in errors and warnings
/// names the place and never the content.
struct SecretReader: Sendable {
    let environment: ConfigurationEnvironment
    private static let largest = 64 << 10

    /// A secret without its trailing line end.
    struct Secret: Sendable, Equatable {
        var text: String
        var origin: Origin
        /// What an operator should look at.
        var warning: String?

        /// Where it was found.
        enum Origin: Sendable, Equatable {
            case file(String), environment(String)
        }
    }

    /// Why there is no secret.
    struct Problem: Error, Equatable {
        /// Nothing was found: neither file nor variable exist.
        var isMissing: Bool
        var message: String
    }

    /// The file is asked first; the variable only where the file does not exist, never where it is broken.
    func read(_ source: SecretSource) throws(Problem) -> Secret {
        var tried: [String] = []
        if let file = source.file, !file.isEmpty {
            if let path = path(of: file) {
                if let secret = try read(path) { return secret }
                tried.append("\(path) does not exist")
            } else {
                tried.append("`\(file)` is a credential's name, but CREDENTIALS_DIRECTORY is not set")
            }
        }
        if let name = source.environmentVariable {
            if let value = environment.variable(name) {
                return try checked(value, .environment(name), "the variable \(name)", isWorldReadable: false)
            }
            tried.append("the variable \(name) is not set")
        }
        if tried.isEmpty { tried.append("neither a file nor a variable is named") }
        throw Problem(
            isMissing: true,
            message: tried.joined(separator: ", and ")
                + "; write the secret into an absolute path, or start the worker with that credential or variable")
    }

    /// `nil` where a credential is meant and there is no directory for them.
    func path(of file: String) -> String? {
        if file.hasPrefix("/") { return file }
        guard let directory = environment.variable("CREDENTIALS_DIRECTORY"), !directory.isEmpty else { return nil }
        return directory.hasSuffix("/") ? directory + file : "\(directory)/\(file)"
    }

    /// `nil` where the file does not exist.
    private func read(_ path: String) throws(Problem) -> Secret? {
        let contents: FileContents
        do throws(FileProblem) {
            contents = try FileContents.read(path, atMost: Self.largest)
        } catch {
            if error.isMissing { return nil }
            throw Problem(isMissing: false, message: "\(path): \(error.message)")
        }
        guard let text = String(validating: contents.bytes, as: UTF8.self) else {
            throw Problem(isMissing: false, message: "\(path) does not hold text")
        }
        return try checked(text, .file(path), path, isWorldReadable: contents.isWorldReadable)
    }

    private func checked(
        _ text: String, _ origin: Secret.Origin, _ place: String, isWorldReadable: Bool
    ) throws(Problem) -> Secret {
        var bytes = Array(text.utf8)[...]
        if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
        if bytes.isEmpty { throw Problem(isMissing: false, message: "\(place) is empty") }
        // A header line is made of it: nothing may end that early.
        if bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            throw Problem(
                isMissing: false,
                message: "\(place) has more than one line, or control characters; one secret is expected")
        }
        return Secret(
            text: String(decoding: bytes, as: UTF8.self), origin: origin,
            warning: isWorldReadable ? "\(place) can be read by everybody on this machine; chmod 0600 it" : nil)
    }
}
