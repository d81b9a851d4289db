import Domain
import HTTPWire
import Operations

/// Providers of a tenant, and the platform's own that all tenants share: the same routes in two places.
enum ProviderRoutes {
    static let all: [AdminRoute] = routes(of: .tenant) + routes(of: .platform)

    private static func routes(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/providers"
        let noun = owner.noun("providers")
        return [
            .list(
                base, .needs(.providersRead, in: owner.place), "\(noun).list", "List providers", of: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.list(
                    of: try owner.tenant(of: call), try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.providersCreate, in: owner.place), "\(noun).create", "Create a provider",
                body: ProviderBody.shape, status: 201, answers: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.create(
                    try ProviderBody.value(call.body), of: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{provider}", .needs(.providersRead, in: owner.place), "\(noun).get",
                "Get a provider", answers: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.get(
                    try call.provider, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .patch, "\(base)/{provider}", .needs(.providersUpdate, in: owner.place), "\(noun).update",
                "Change a provider", body: ProviderChangeBody.shape, answers: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.update(
                    try call.provider, try ProviderChangeBody.value(call.body),
                    of: try owner.tenant(of: call),
                    by: try call.caller)
            },
        ]
    }
}

/// Whose a thing is: a tenant's, or the platform's and shared by all.
enum Ownership: Sendable {
    case tenant, platform

    var place: Access.Place { self == .tenant ? .tenant : .platform }
    var basePath: String { self == .tenant ? "/api/v1/tenants/{tenant}" : "/api/v1" }

    /// The first word of operation ids: the same noun in another place is another operation to a client.
    func noun(_ noun: String) -> String { self == .tenant ? noun : "shared-\(noun)" }

    func tenant(of call: Call) throws(OperationError) -> TenantID? {
        self == .tenant ? try call.tenant : nil
    }
}
