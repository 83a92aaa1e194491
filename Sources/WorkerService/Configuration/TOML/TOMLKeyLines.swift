/// On which line of a TOML document each key stands. The parser tells positions of syntax errors only; a mistake in a
/// value has to name its line too.
///
/// A path is a list of keys; an element of an array is `[0]`, `[1]`, ...
struct TOMLKeyLines: Sendable, Equatable {
    private var lines: [[String]: Int] = [:]

    init() {}

    /// Scans a document that has passed the parser. On any other it is merely incomplete.
    init(scanning text: String) {
        var scanner = TOMLKeyScanner(text)
        scanner.scan()
        lines = scanner.lines
    }

    /// The line of the key, or of the innermost table around it that is written down; from 1.
    func line(of path: [String]) -> Int? {
        var path = path[...]
        while !path.isEmpty {
            if let line = lines[Array(path)] { return line }
            path = path.dropLast()
        }
        return nil
    }

    /// The line of exactly this key.
    subscript(path: [String]) -> Int? { lines[path] }
}
