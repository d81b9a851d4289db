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
                .init(name: "from", value: "TIME", help: "RFC 3339, default the last 24 hours"),
                .init(name: "to", value: "TIME", help: "RFC 3339, default now"),
                TenantCommands.tenantOption,
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
        Console.out(table(report, by: by).text)
    }

    static func table(_ report: JSONValue, by: String) -> Table {
        let fields = ["calls", "input_tokens", "output_tokens", "cost"]
        var table = Table(
            columns: [.init(heading: by)]
                + ["calls", "input", "output", "cost USD"].map { Table.Column(heading: $0, isNumber: true) })
        table.rows = (report["data"]?.array ?? []).map { row in
            [row["name"]?.string ?? Invocation.cell(row[by])] + fields.map { Invocation.cell(row[$0]) }
        }
        let totals = report["totals"] ?? .null
        table.rows.append(["total"] + fields.map { Invocation.cell(totals[$0]) })
        return table
    }
}
