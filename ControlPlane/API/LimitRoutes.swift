import Domain
import HTTPWire
import Operations

enum LimitRoutes {
    private static let base = "/api/v1/tenants/{tenant}/limits"
    private static let one = "\(base)/{limit}"

    static let all: [AdminRoute] = limits + states

    private static let limits: [AdminRoute] = [
        .list(
            base, .needs(.limitsRead, in: .tenant), "limits.list", "List limits and budgets",
            query: LimitQuery.fields, of: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.list(
                in: try call.tenant, where: try LimitQuery.value(call.query), try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.limitsCreate, in: .tenant), "limits.create",
            "Create a limit or a budget; nodes follow within moments", body: LimitBody.shape, status: 201,
            answers: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.create(
                try LimitBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, one, .needs(.limitsRead, in: .tenant), "limits.get", "Get a limit", answers: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.get(try call.limit, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, one, .needs(.limitsUpdate, in: .tenant), "limits.update",
            "Change a limit, or raise it for a while", body: LimitChangeBody.shape, answers: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.update(
                try call.limit, try LimitChangeBody.value(call.body), in: try call.tenant,
                by: try call.caller)
        },
        .write(
            .delete, one, .needs(.limitsDelete, in: .tenant), "limits.delete",
            "Delete a limit, and what was counted against it", answers: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.delete(try call.limit, in: try call.tenant, by: try call.caller)
        },
    ]

    private static let states: [AdminRoute] = [
        .one(
            .get, "\(one)/state", .needs(.limitsRead, in: .tenant), "limits.get-state",
            "Get what is used, lent and left of a limit now, and which nodes hold it",
            query: [LimitStateQuery.part], answers: .limitState
        ) { call throws(OperationError) in
            try await call.operations.limits.state(
                of: try call.limit, part: try call.query[LimitStateQuery.part], in: try call.tenant,
                by: try call.caller)
        },
        .one(
            .get, "\(one)/history", .needs(.limitsRead, in: .tenant), "limits.get-history",
            "Get what was used of a limit in each window, the newest first, for about three months",
            answers: .limitHistory
        ) { call throws(OperationError) in
            try await call.operations.limits.history(
                of: try call.limit, in: try call.tenant, by: try call.caller)
        },
        .list(
            "\(one)/parts", .needs(.limitsRead, in: .tenant), "limits.list-parts",
            "List the parts of a partitioned limit that were used in the window that is now",
            isByCreation: false, of: .limitPart
        ) { call throws(OperationError) in
            try await call.operations.limits.parts(
                of: try call.limit, in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, "\(one)/write-off", .needs(.limitsUpdate, in: .tenant), "limits.write-off",
            "Give up what a node that will not come back was lent", body: LimitWriteOffBody.shape,
            answers: .limit
        ) { call throws(OperationError) in
            try await call.operations.limits.writeOff(
                try call.body[LimitWriteOffBody.node], of: try call.limit, in: try call.tenant,
                by: try call.caller)
        },
        .list(
            "/api/v1/tenants/{tenant}/limit-alerts", .needs(.limitsRead, in: .tenant), "limits.list-alerts",
            "List the thresholds of budgets that were crossed", query: [LimitAlertQuery.of], of: .limitAlert
        ) { call throws(OperationError) in
            try await call.operations.limits.alerts(
                of: try call.query[LimitAlertQuery.of], in: try call.tenant, try call.page,
                by: try call.caller)
        },
    ]
}
