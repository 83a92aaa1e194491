import Foundation

/// The tables of `docs/GATEWAYS.md`: what gateways do, and what becomes of it. Tests read them, so that the document cannot
/// say other than the program does.
public enum GatewayTable {
    public struct Row: Sendable, Equatable {
        public var name: String
        /// As written: `all`, `sse`, `websocket`, `http1`, `http2`.
        public var transports: [String]
        /// `nil`: the answer is whole.
        public var code: String?
        public var isRetryable: Bool
        /// One, or what a WebSocket and what HTTP say.
        public var stages: [String]
        public var job: String
    }

    public struct Unreadable: Error, CustomStringConvertible {
        public var line: String
        public var description: String { "docs/GATEWAYS.md: not a row: \(line)" }
    }

    public static func rows() throws -> [Row] {
        let file = TestBroker.checkout.appending(path: "docs/GATEWAYS.md")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        return try lines.filter { $0.hasPrefix("| `") }.map { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 7, let retryable = ["yes": true, "no": false, "-": false][cells[4]] else {
                throw Unreadable(line: String(line))
            }
            let code = cells[3].trimmingCharacters(in: ["`"])
            return Row(
                name: cells[0].trimmingCharacters(in: ["`"]), transports: cells[2].components(separatedBy: ", "),
                code: code == "none" ? nil : code, isRetryable: retryable,
                stages: cells[5].components(separatedBy: " / "), job: cells[6])
        }
    }
}
