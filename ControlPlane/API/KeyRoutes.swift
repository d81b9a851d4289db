import Domain
import HTTPWire
import Operations

enum KeyRoutes {
    private static let base = "/api/v1/tenants/{tenant}/keys"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.keysRead, in: .tenant), "keys.list", "List keys", query: [KeyBody.inWorkspace],
            of: .key
        ) { call throws(OperationError) in
            try await call.operations.keys.list(
                in: try call.tenant, workspace: try call.query[KeyBody.inWorkspace], try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.keysCreate, in: .tenant), "keys.create",
            "Issue a key; its text is shown once",
            body: KeyBody.shape, status: 201, answers: .issuedKey
        ) { call throws(OperationError) in
            try await call.operations.keys.create(
                try KeyBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(.get, "\(base)/{key}", .needs(.keysRead, in: .tenant), "keys.get", "Get a key", answers: .key) {
            call throws(OperationError) in
            try await call.operations.keys.get(try call.key, in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(base)/{key}/revoke", .needs(.keysRevoke, in: .tenant), "keys.revoke",
            "Revoke a key: every node refuses it within moments, for good", answers: .revokedKey
        ) { call throws(OperationError) in
            try await call.operations.keys.revoke(try call.key, in: try call.tenant, by: try call.caller)
        },
    ]
}
