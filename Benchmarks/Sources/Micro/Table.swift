/// Lines of aligned columns: text to the left, numbers to the right.
struct Table {
    private var rows: [[String]] = []
    private let isText: [Bool]

    init(_ columns: [(title: String, isText: Bool)]) {
        isText = columns.map(\.isText)
        rows.append(columns.map(\.title))
    }

    mutating func append(_ row: [String]) { rows.append(row) }

    func printOut() {
        let widths = isText.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = isText.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return isText[column] ? row[column] + space : space + row[column]
            }
            print(cells.joined(separator: "  "))
        }
    }
}
