import Testing

@testable import WorkerService

@Suite struct TOMLKeyLinesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var text: String
        var lines: [String: Int]
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "root", text: "a = 1\nb = 2", lines: ["a": 1, "b": 2]),
        Case(
            name: "tables", text: "\n[a]\nx = 1\n\n[b.c] # why\ny = 2\n",
            lines: ["a": 2, "a x": 3, "b": 5, "b c": 5, "b c y": 6]),
        Case(
            name: "dotted keys", text: "[t]\na.b.c = 1\na . d = 2",
            lines: ["t a": 2, "t a b": 2, "t a b c": 2, "t a d": 3]),
        Case(
            name: "quoted keys", text: "[models.\"gpt-4.1\"]\n'x y' = 1\n\"a\\u0041\\\"\" = 2",
            lines: ["models gpt-4.1": 1, "models gpt-4.1 x y": 2, "models gpt-4.1 aA\"": 3]),
        Case(
            name: "inline tables", text: "a = { b = 1, c = { d = 2 } }\ne = 3",
            lines: ["a": 1, "a b": 1, "a c": 1, "a c d": 1, "e": 2]),
        Case(
            name: "arrays over lines", text: "a = [\n  \"x\", # ]\n\n  \"]\",\n]\nb = 1",
            lines: ["a": 1, "a [0]": 2, "a [1]": 4, "b": 6]),
        Case(
            name: "tables in arrays", text: "a = [ { x = 1 },\n { y = [1,\n2] } ]\nb = 1",
            lines: ["a [0] x": 1, "a [1] y": 2, "a [1] y [1]": 3, "b": 4]),
        Case(
            name: "multi-line strings", text: "a = \"\"\"\n[no]\nb = 1 \\\"\"\" \"\"\"\nc = '''\n[no]\n'''\nd = 1",
            lines: ["a": 1, "c": 4, "d": 7]),
        Case(name: "quotes before the end", text: "a = \"\"\"x\"\"\"\"\"\nb = 1", lines: ["a": 1, "b": 2]),
        Case(name: "comments", text: "# a = 1\n#[t]\nb = 1 # c = 2\n", lines: ["b": 3]),
        Case(name: "hash in a string", text: "a = \"#\\\"\" # \"\nb = '#'\nc = 1", lines: ["a": 1, "b": 2, "c": 3]),
        Case(
            name: "arrays of tables", text: "[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 3",
            lines: ["a": 1, "a [0] x": 2, "a [1] x": 4, "a [1] b y": 6]),
        Case(name: "line ends of Windows", text: "a = 1\r\n[b]\r\nc = 2\r\n", lines: ["a": 1, "b": 2, "b c": 3]),
        Case(
            name: "numbers, dates and flags", text: "a = 1.5e3\nb = 2020-01-01 10:00:00\nc = true\nd = [1.0,2]\n",
            lines: ["b": 2, "c": 3, "d [1]": 4]),
        Case(name: "beyond ASCII", text: "\"키\" = \"값 [\"\nb = 1", lines: ["키": 1, "b": 2]),
    ]

    @Test(arguments: cases) func findsLines(of example: Case) throws {
        _ = try TOMLNode(parsing: example.text)
        let lines = TOMLKeyLines(scanning: example.text)
        for (path, line) in example.lines {
            let path =
                path == "models gpt-4.1 x y"
                ? ["models", "gpt-4.1", "x y"] : path.split(separator: " ").map(String.init)
            #expect(lines[path] == line, "\(path)")
        }
        if example.name == "comments" { #expect(lines[["a"]] == nil && lines[["t"]] == nil && lines[["c"]] == nil) }
        if example.name == "multi-line strings" { #expect(lines[["no"]] == nil && lines[["b"]] == nil) }
    }

    @Test func fallsBackToTheTableAround() {
        let lines = TOMLKeyLines(scanning: "a = 1\n[b]\nc = [1,\n2]")
        #expect(lines.line(of: ["b", "missing"]) == 2)
        #expect(lines.line(of: ["b", "c", "[7]"]) == 3)
        #expect(lines.line(of: ["missing"]) == nil)
    }

    /// On text that the parser would refuse, the scan has to come to an end, and no more.
    @Test func endsOnAnyText() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("ab.=[]{},\"'\\#\n\r \tuU0é")
        for length in 0..<2_000 {
            let text = String((0..<(length % 60)).map { _ in alphabet.randomElement(using: &generator) ?? "a" })
            _ = TOMLKeyLines(scanning: text)
        }
        for text in [
            "[", "[[", "a", "a =", "a = [", "a = {", "\"", "a = \"\\", "a = \"\"\"\\u12", "=", "]]", "a = [[[[", "\\u",
        ] {
            _ = TOMLKeyLines(scanning: text)
        }
        _ = TOMLKeyLines(scanning: "a = " + String(repeating: "[", count: 100_000))
    }
}
