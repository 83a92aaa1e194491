import ChatModel
import Webhooks

/// Headers in a file, one a line as `Name: value`. What it says of a mistake names the line and never the content.
enum HeaderLines {
    /// - Parameter isTaken: whether a header of this name, in lower case, is not to be set here.
    static func parse(
        _ text: String, isTaken: (String) -> Bool = isTakenByWebhooks
    ) throws(ConfigurationValueError) -> [WebhookOptions.Header] {
        var headers: [WebhookOptions.Header] = []
        // By bytes: a line break of Windows is one character of a Swift text, and no "\n" is found in it.
        for (index, bytes) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            let line = Substring(bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes)
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else {
                throw ConfigurationValueError("line \(index + 1) is not `Name: value`")
            }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            guard HTTPFieldName.isToken(name) else {
                throw ConfigurationValueError("line \(index + 1) has a name that no header can have")
            }
            guard !isTaken(name) else {
                throw ConfigurationValueError("line \(index + 1) sets \(name), which the worker sets itself")
            }
            guard !value.isEmpty, value.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else {
                throw ConfigurationValueError("line \(index + 1) has an empty value, or one with control characters")
            }
            headers.append(.init(name: name, value: String(value)))
        }
        return headers
    }

    static func isTakenByWebhooks(_ name: String) -> Bool {
        HTTPFieldName.ofTheMessage.contains(name) || name.hasPrefix("webhook-") || name.hasPrefix("ce-")
    }
}

extension SecretReader {
    /// A file of several lines.
    func readText(_ file: String) throws(Problem) -> (text: String, warning: String?) {
        guard let path = path(of: file) else {
            throw Problem(
                isMissing: true, message: "`\(file)` is a credential's name, but CREDENTIALS_DIRECTORY is not set")
        }
        do throws(FileProblem) {
            let contents = try FileContents.read(path, atMost: 64 << 10)
            return (
                String(decoding: contents.bytes, as: UTF8.self),
                contents.isWorldReadable
                    ? "\(path) can be read by everybody on this machine; chmod 0600 it" : nil
            )
        } catch {
            throw Problem(isMissing: error.isMissing, message: "\(path): \(error.message)")
        }
    }
}
