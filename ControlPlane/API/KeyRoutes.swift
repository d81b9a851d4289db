import Domain
import HTTPWire
import Operations

enum KeyRoutes {
    private static let base = "/api/v1/tenants/{tenant}/keys"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.keysRead, in: .workspace), "keys.list", "List keys",
            query: KeyQuery.fields + [KeyQuery.standing, Paging.namePrefix], of: .key
        ) { call throws(OperationError) in
            try await call.operations.keys.list(
                in: try call.tenant, where: try KeyQuery.value(call.query),
                standing: try call.query[KeyQuery.standing], try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.keysCreate, in: .workspace), "keys.create",
            "Issue a key; its text is shown once",
            body: KeyBody.shape, status: 201, answers: .issuedKey
        ) { call throws(OperationError) in
            try await call.operations.keys.create(
                try KeyBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, "\(base)/{key}", .needs(.keysRead, in: .workspace), "keys.get", "Get a key", answers: .key
        ) { call throws(OperationError) in
            try await call.operations.keys.get(try call.key, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "\(base)/{key}", .needs(.keysUpdate, in: .workspace), "keys.update",
            "Change a key; nodes follow within moments", body: KeyChangeBody.shape, answers: .key
        ) { call throws(OperationError) in
            try await call.operations.keys.update(
                try call.key, try KeyChangeBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(base)/{key}/rotate", .needs(.keysRotate, in: .workspace), "keys.rotate",
            "Give a key a new secret; the old one works on for a while", body: KeyRotationBody.shape,
            answers: .issuedKey
        ) { call throws(OperationError) in
            try await call.operations.keys.rotate(
                try call.key, previousUntil: try call.body[KeyRotationBody.previousUntil],
                in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(base)/{key}/end-overlap", .needs(.keysRotate, in: .workspace), "keys.end-overlap",
            "End the secret from before the last rotation now", answers: .key
        ) { call throws(OperationError) in
            try await call.operations.keys.endOverlap(try call.key, in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(base)/{key}/revoke", .needs(.keysRevoke, in: .workspace), "keys.revoke",
            "Revoke a key: every node refuses it within moments, for good", answers: .revokedKey
        ) { call throws(OperationError) in
            try await call.operations.keys.revoke(try call.key, in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "/api/v1/tenants/{tenant}/key-revocations", .needs(.keysRevoke, in: .workspace),
            "keys.revoke-matching",
            "Revoke the keys that pass a filter, at most 500 a request: repeat while some remain",
            body: KeyRevocationBody.shape, answers: .revokedKeys
        ) { call throws(OperationError) in
            try await call.operations.keys.revokeMatching(
                try KeyRevocationBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
    ]
}
