import Domain

/// A provider's usage export: comma-separated values (RFC 4180) under a line of names. Columns it does not
/// know are passed over; names that the large providers' exports use are known too.
enum ProviderUsageTable {
    private enum Column: CaseIterable {
        case day, model, calls, input, output, cost

        var names: [String] {
            switch self {
            case .day: ["day", "date", "start_time_iso", "usage_date"]
            case .model: ["model", "model_id", "model_name"]
            case .calls: ["calls", "requests", "num_model_requests"]
            case .input: ["input_tokens", "prompt_tokens"]
            case .output: ["output_tokens", "completion_tokens"]
            case .cost: ["cost", "cost_usd", "amount", "amount_value"]
            }
        }
    }

    /// The rows, each with its number; blank lines are passed over.
    static func read(_ text: String) throws(OperationError) -> [(Int, ProviderUsageRow)] {
        let lines = cells(of: text)
        guard let names = lines.first?.map({ $0.lowercased().filter { $0 != " " } }) else {
            throw invalid("has no line of names")
        }
        var places: [Column: Int] = [:]
        for column in Column.allCases {
            places[column] = names.firstIndex { column.names.contains($0) }
        }
        guard places[.day] != nil, places[.model] != nil else {
            throw invalid("must have columns named day and model")
        }
        guard lines.count - 1 <= NewReconciliation.maximumRows else {
            throw invalid("must have at most \(NewReconciliation.maximumRows) rows")
        }
        var rows: [(Int, ProviderUsageRow)] = []
        for (index, line) in lines.enumerated().dropFirst() {
            func cell(_ column: Column) -> String? {
                guard let place = places[column], place < line.count, !line[place].isEmpty else {
                    return nil
                }
                return line[place]
            }
            func number(_ column: Column) throws(OperationError) -> Int64? {
                guard let text = cell(column) else { return nil }
                guard let value = Int64(text), value >= 0 else {
                    throw invalid("row \(index): \(text.prefix(40)) is not a whole number")
                }
                return value
            }
            guard let day = cell(.day).flatMap({ CivilDate(iso: String($0.prefix(10))) }),
                let model = cell(.model), model.utf8.count <= 200
            else { throw invalid("row \(index): needs a day such as 2026-03-09 and a model") }
            var cost: NanoUSD?
            if let text = cell(.cost) {
                cost = NanoUSD(text)
                if cost == nil { throw invalid("row \(index): \(text.prefix(40)) is not an amount") }
            }
            rows.append(
                (
                    index - 1,
                    ProviderUsageRow(
                        day: day, model: model, calls: try number(.calls), inputTokens: try number(.input),
                        outputTokens: try number(.output), cost: cost)
                ))
        }
        return rows
    }

    private static func invalid(_ message: String) -> OperationError {
        .invalid([ValidationError("/csv", .invalidFormat, message)])
    }

    /// Lines of cells; quoted cells may hold commas, quotes (doubled) and line ends.
    private static func cells(of text: String) -> [[String]] {
        var lines: [[String]] = []
        var line: [String] = []
        var cell: [UInt8] = []
        var isQuoted = false, wasQuote = false
        func endCell() {
            line.append(String(decoding: cell, as: UTF8.self))
            cell = []
        }
        func endLine() {
            endCell()
            if line != [""] { lines.append(line) }
            line = []
        }
        for byte in text.utf8 {
            if isQuoted {
                if byte == UInt8(ascii: "\"") {
                    isQuoted = false
                    wasQuote = true
                } else {
                    cell.append(byte)
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                if wasQuote { cell.append(byte) }
                isQuoted = true
            case UInt8(ascii: ","): endCell()
            case UInt8(ascii: "\n"): endLine()
            case UInt8(ascii: "\r"): break
            default: cell.append(byte)
            }
            wasQuote = false
        }
        endLine()
        return lines
    }
}
