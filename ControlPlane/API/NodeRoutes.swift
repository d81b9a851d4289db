import Domain
import HTTPWire
import Operations

enum NodeRoutes {
    static let all: [AdminRoute] = [
        .list(
            "/api/v1/nodes", .needs(.nodesRead, in: .platform), "nodes.list", "List gateway nodes",
            query: NodeQuery.fields, of: .node
        ) { call throws(OperationError) in
            try await call.operations.nodes.list(
                where: try NodeQuery.value(call.query), isConnected: try call.query[NodeQuery.connected],
                try call.page, by: try call.caller)
        },
        .one(
            .get, "/api/v1/nodes/{node}", .needs(.nodesRead, in: .platform), "nodes.get", "Get a node",
            answers: .node
        ) { call throws(OperationError) in
            try await call.operations.nodes.get(try call.node, by: try call.caller)
        },
        .write(
            .post, "/api/v1/nodes/{node}/revoke", .needs(.nodesRevoke, in: .platform), "nodes.revoke",
            "Revoke a node: its certificate is refused, for good", answers: .revokedNode
        ) { call throws(OperationError) in
            try await call.operations.nodes.revoke(try call.node, by: try call.caller)
        },
    ]
}

enum JoinTokenRoutes {
    static let all: [AdminRoute] = [
        .list(
            "/api/v1/join-tokens", .needs(.joinTokensRead, in: .platform), "join-tokens.list",
            "List join tokens", query: [JoinTokenBody.ofStanding], of: .joinToken
        ) { call throws(OperationError) in
            try await call.operations.joinTokens.list(
                standing: try call.query[JoinTokenBody.ofStanding], try call.page, by: try call.caller)
        },
        .one(
            .post, "/api/v1/join-tokens", .needs(.joinTokensCreate, in: .platform), "join-tokens.create",
            "Make a join token; its bundle is shown once", body: JoinTokenBody.shape, status: 201,
            answers: .issuedJoinToken
        ) { call throws(OperationError) in
            try await call.operations.joinTokens.create(
                nodeName: try call.body[JoinTokenBody.nodeName], region: try call.body[JoinTokenBody.region],
                lifetimeSeconds: try call.body[JoinTokenBody.lifetime], by: try call.caller)
        },
        .nothing(
            .delete, "/api/v1/join-tokens/{join_token}", .needs(.joinTokensDelete, in: .platform),
            "join-tokens.delete", "Delete a join token that was not used"
        ) { call throws(OperationError) in
            try await call.operations.joinTokens.delete(try call.joinToken, by: try call.caller)
        },
    ]
}
