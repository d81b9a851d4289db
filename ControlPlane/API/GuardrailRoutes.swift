import Domain
import HTTPWire
import Operations

enum GuardrailRoutes {
    private static let base = "/api/v1/tenants/{tenant}/guardrails"
    private static let one = "\(base)/{guardrail}"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.guardrailsRead, in: .tenant), "guardrails.list", "List guardrails",
            query: GuardrailQuery.fields, of: .guardrail
        ) { call throws(OperationError) in
            try await call.operations.guardrails.list(
                in: try call.tenant, where: try GuardrailQuery.value(call.query), try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.guardrailsCreate, in: .tenant), "guardrails.create",
            "Create a guardrail; nodes follow within moments", body: GuardrailBody.new, status: 201,
            answers: .guardrail
        ) { call throws(OperationError) in
            try await call.operations.guardrails.create(
                try GuardrailBody.new(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, one, .needs(.guardrailsRead, in: .tenant), "guardrails.get", "Get a guardrail",
            answers: .guardrail
        ) { call throws(OperationError) in
            try await call.operations.guardrails.get(
                try call.guardrail, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, one, .needs(.guardrailsUpdate, in: .tenant), "guardrails.update", "Change a guardrail",
            body: GuardrailBody.change, answers: .guardrail
        ) { call throws(OperationError) in
            try await call.operations.guardrails.update(
                try call.guardrail, try GuardrailBody.change(call.body), in: try call.tenant,
                by: try call.caller)
        },
        .write(
            .delete, one, .needs(.guardrailsDelete, in: .tenant), "guardrails.delete", "Delete a guardrail",
            answers: .guardrail
        ) { call throws(OperationError) in
            try await call.operations.guardrails.delete(
                try call.guardrail, in: try call.tenant, by: try call.caller)
        },
    ]
}
