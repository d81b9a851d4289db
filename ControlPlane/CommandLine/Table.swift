/// Rows under headings, columns padded to their widest cell; numbers are set right.
struct Table {
    struct Column {
        let heading: String
        var isNumber = false
    }

    let columns: [Column]
    var rows: [[String]] = []

    var text: String {
        let widths = columns.indices.map { index in
            ([columns[index].heading] + rows.map { $0[index] }).map(\.count).max() ?? 0
        }
        let lines = [columns.map { $0.heading.uppercased() }] + rows
        return lines.map { cells in
            cells.indices.map { index in
                let padding = String(repeating: " ", count: widths[index] - cells[index].count)
                return columns[index].isNumber ? padding + cells[index] : cells[index] + padding
            }.joined(separator: "  ").trimmingTrailingSpaces()
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate func trimmingTrailingSpaces() -> String {
        var end = endIndex
        while end > startIndex, self[index(before: end)] == " " { end = index(before: end) }
        return String(self[..<end])
    }
}
