import Domain
import HTTPWire
import Operations

enum UsageRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/tenants/{tenant}/usage", .needs(.usageRead, in: .workspace), "usage.report",
            "What was used and what it cost", query: UsageParameters.all, answers: .usageStatement
        ) { call throws(OperationError) in
            try await call.operations.usage.report(
                try UsageParameters.request(call.query), in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, "/api/v1/tenants/{tenant}/usage/outcomes", .needs(.usageRead, in: .tenant),
            "usage.outcomes", "How calls ended and how long they took: errors and percentiles",
            query: OutcomeParameters.all, answers: .outcomeStatement
        ) { call throws(OperationError) in
            try await call.operations.usage.outcomes(
                try OutcomeParameters.request(call.query), in: try call.tenant, by: try call.caller)
        },
        .stream(
            "/api/v1/tenants/{tenant}/usage/export", .needs(.usageRead, in: .workspace), "usage.export",
            "The lines of a usage report as rows", query: UsageParameters.exported(UsageParameters.all),
            formats: [.csv, .ndjson]
        ) { call throws(OperationError) in
            let statement = try await call.operations.usage.report(
                try UsageParameters.request(call.query), in: try call.tenant, by: try call.caller)
            return try rows(of: statement, as: try call.format)
        },
        .one(
            .get, "/api/v1/usage", .needs(.usageRead, in: .platform), "platform-usage.report",
            "What all tenants used and what it cost", query: UsageParameters.ofPlatform,
            answers: .usageStatement
        ) { call throws(OperationError) in
            try await call.operations.usage.report(
                ofAll: try UsageParameters.platformRequest(call.query), by: try call.caller)
        },
        .stream(
            "/api/v1/usage/export", .needs(.usageRead, in: .platform), "platform-usage.export",
            "The lines of a usage report of all tenants as rows",
            query: UsageParameters.exported(UsageParameters.ofPlatform), formats: [.csv, .ndjson]
        ) { call throws(OperationError) in
            let statement = try await call.operations.usage.report(
                ofAll: try UsageParameters.platformRequest(call.query), by: try call.caller)
            return try rows(of: statement, as: try call.format)
        },
    ]

    /// A report has a limit: it is one part.
    private static func rows(
        of statement: UsageStatement, as format: RowFormat
    ) throws(OperationError) -> StreamedAnswer {
        let most = UsageReportRequest.maximumLimit
        if statement.isCut, statement.lines.count == most {
            let message =
                "the report has more than \(most) lines; ask for a shorter period, longer steps or fewer "
                + "groups, or for the first lines with a limit below \(most)"
            throw .invalid([ValidationError("limit", .outOfRange, message)])
        }
        let encoder = RowEncoder(Representation<UsageLine>.usageLine, as: format)
        var lines: [UsageLine]? = statement.lines
        return StreamedAnswer(fileName: "usage") { () throws(OperationError) in
            defer { lines = nil }
            return lines.map(encoder.encode)
        }
    }
}
