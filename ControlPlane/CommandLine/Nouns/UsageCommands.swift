import JSONText

/// What was called and what it cost.
enum UsageCommands {
    static let groups = ["key", "route", "model", "provider", "workspace"]

    static let all = [
        Command(
            words: ["usage"], summary: "Show calls, tokens and cost",
            options: [
                .init(
                    name: "by", value: "NOUN", help: "group by \(groups.joined(separator: ", ")); default key"
                ),
                .init(name: "from", value: "TIME", help: "RFC 3339, default 30 days before the end"),
                .init(name: "to", value: "TIME", help: "RFC 3339, default the end of today"),
                OperationCommand.tenantOption,
            ], run: usage)
    ]

    static func usage(_ invocation: Invocation, _ context: CommandContext) async throws {
        let by = invocation.options["by"] ?? "key"
        guard groups.contains(by) else {
            throw CommandFailure.usage("--by must be one of \(groups.joined(separator: ", ")), not '\(by)'")
        }
        let admin = try context.admin()
        let tenant = try await context.tenant(invocation, admin)
        var query = [("group_by", by)]
        for name in ["from", "to"] {
            if let value = invocation.options[name] { query.append((name, value)) }
        }
        let report = try await admin.get("/tenants/\(tenant)/usage", query)
        if invocation.wantsJSON {
            Console.out(report.text)
            return
        }
        var names: [String: String] = [:]
        for thing in try await admin.list("/tenants/\(tenant)/\(by)s") {
            if let id = thing["id"]?.string { names[id] = (thing["slug"] ?? thing["name"])?.string }
        }
        Console.out(table(report, by: by, names: names).text)
    }

    /// The report's lines with names in place of IDs where they are known, then the total.
    static func table(_ report: JSONValue, by: String, names: [String: String]) -> Table {
        let fields = ["calls", "input_tokens", "output_tokens", "cost"]
        var table = Table(
            columns: [.init(heading: by)]
                + ["calls", "input", "output", "cost USD"].map { Table.Column(heading: $0, isNumber: true) })
        table.rows = (report["data"]?.array ?? []).map { row in
            let id = Invocation.cell(row[by])
            return [names[id] ?? id] + fields.map { Invocation.cell(row[$0]) }
        }
        let total = report["total"] ?? .null
        table.rows.append(["total"] + fields.map { Invocation.cell(total[$0]) })
        return table
    }
}
