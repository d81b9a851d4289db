import Domain
import HTTPWire
import Operations

enum TenantRoutes {
    private static let status = Field<Tenant.Status?>.optional(
        "status", .word(), "Only tenants of this status.")

    static let all: [AdminRoute] = [
        .list(
            "/api/v1/tenants", .signedIn(reason: "it lists the tenants the caller belongs to."),
            "tenants.list", "List tenants", query: [status, Paging.namePrefix], of: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.list(
                status: try call.query[status], try call.page, by: try call.caller)
        },
        .write(
            .post, "/api/v1/tenants", .needs(.tenantsCreate, in: .platform), "tenants.create",
            "Create a tenant",
            body: NamedBody.tenant, status: 201, answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.create(
                slug: try call.body[NamedBody.slug], name: try call.body[NamedBody.name], by: try call.caller)
        },
        .one(
            .get, "/api/v1/tenants/{tenant}", .needs(.tenantsRead, in: .tenant), "tenants.get",
            "Get a tenant",
            answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.get(try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "/api/v1/tenants/{tenant}", .needs(.tenantsUpdate, in: .tenant), "tenants.update",
            "Change a tenant", body: TenantChangeBody.shape, answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.update(
                try call.tenant, try TenantChangeBody.value(call.body), by: try call.caller)
        },
        .write(
            .delete, "/api/v1/tenants/{tenant}", .needs(.tenantsDelete, in: .tenant), "tenants.delete",
            "Delete a tenant for good: its keys stop at once, its data is removed by and by", status: 202,
            answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.delete(try call.tenant, by: try call.caller)
        },
        .write(
            .post, "/api/v1/tenants/{tenant}/suspend", .needs(.tenantsSuspend, in: .tenant),
            "tenants.suspend",
            "Suspend a tenant: its keys stop working", answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.suspend(try call.tenant, by: try call.caller)
        },
        .write(
            .post, "/api/v1/tenants/{tenant}/resume", .needs(.tenantsSuspend, in: .tenant), "tenants.resume",
            "Let a suspended tenant work again", answers: .tenant
        ) { call throws(OperationError) in
            try await call.operations.tenants.resume(try call.tenant, by: try call.caller)
        },
    ]
}

enum WorkspaceRoutes {
    private static let base = "/api/v1/tenants/{tenant}/workspaces"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.workspacesRead, in: .tenant), "workspaces.list", "List workspaces",
            query: [Paging.namePrefix], of: .workspace
        ) { call throws(OperationError) in
            try await call.operations.workspaces.list(in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.workspacesCreate, in: .tenant), "workspaces.create", "Create a workspace",
            body: NamedBody.workspace, status: 201, answers: .workspace
        ) { call throws(OperationError) in
            try await call.operations.workspaces.create(
                in: try call.tenant, slug: try call.body[NamedBody.slug], name: try call.body[NamedBody.name],
                by: try call.caller)
        },
        .one(
            .get, "\(base)/{workspace}", .needs(.workspacesRead, in: .workspace), "workspaces.get",
            "Get a workspace", answers: .workspace
        ) { call throws(OperationError) in
            try await call.operations.workspaces.get(
                try call.workspace, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "\(base)/{workspace}", .needs(.workspacesUpdate, in: .workspace), "workspaces.update",
            "Change a workspace", body: NamedBody.workspaceChange, answers: .workspace
        ) { call throws(OperationError) in
            try await call.operations.workspaces.update(
                try call.workspace, in: try call.tenant, slug: try call.body[NamedBody.newSlug],
                name: try call.body[NamedBody.newName], by: try call.caller)
        },
        .write(
            .delete, "\(base)/{workspace}", .needs(.workspacesDelete, in: .tenant), "workspaces.delete",
            "Delete a workspace that has no keys", answers: .workspace
        ) { call throws(OperationError) in
            try await call.operations.workspaces.delete(
                try call.workspace, in: try call.tenant, by: try call.caller)
        },
    ]
}
