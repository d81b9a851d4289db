import Domain
import HTTPWire
import Operations

enum UsageRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/tenants/{tenant}/usage", .needs(.usageRead, in: .tenant), "usage.report",
            "What was used and what it cost", query: UsageParameters.all, answers: .usageStatement
        ) { call throws(OperationError) in
            try await call.operations.usage.report(
                try UsageParameters.request(call.query), in: try call.tenant, by: try call.caller)
        }
    ]
}
