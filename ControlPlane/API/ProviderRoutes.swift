import Cryptography
import Domain
import HTTPWire
import Operations

/// Providers of a tenant, and the platform's own that all tenants share: the same routes in two places.
enum ProviderRoutes {
    static let all: [AdminRoute] =
        routes(of: .tenant) + routes(of: .platform) + details(of: .tenant) + details(of: .platform)
        + credentials(of: .tenant) + credentials(of: .platform) + platform

    private static let platform: [AdminRoute] = [
        .list(
            "/api/v1/provider-kinds",
            .signedIn(reason: "it describes the product and holds nothing of anybody."),
            "provider-kinds.list", "List the kinds of providers, with what each asks for",
            isByCreation: false, of: .providerKind
        ) { _ throws(OperationError) in ListPage(items: ProviderKind.allCases, next: nil) },
        .one(
            .get, "/api/v1/master-key", .needs(.masterKeyRead, in: .platform), "master-key.get",
            "Which master key is in use, and how far a move to it has come", answers: .masterKey
        ) { call throws(OperationError) in
            try await call.operations.masterKey.state(by: try call.caller)
        },
    ]

    /// Deletion, the test call and health.
    private static func details(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/providers/{provider}"
        let noun = owner.noun("providers")
        return [
            .write(
                .delete, base, .needs(.providersDelete, in: owner.place), "\(noun).delete",
                "Delete a provider with its credentials, models and prices", answers: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.delete(
                    try call.provider, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .post, "\(base)/test", .needs(.providersTest, in: owner.place), "\(noun).test",
                "Call the provider with one of its credentials, and say what came of it",
                body: ProviderTestBody.shape, answers: .providerTestReport
            ) { call throws(OperationError) in
                try await call.operations.providers.test(
                    try call.provider, credential: try call.body[ProviderTestBody.credential],
                    of: try owner.tenant(of: call), by: try call.caller)
            }.reachingOutside(),
            .one(
                .get, "\(base)/health", .needs(.providersRead, in: owner.place),
                "\(owner.noun("provider-health")).get", "How a provider is doing", answers: .providerHealth
            ) { call throws(OperationError) in
                try await call.operations.providers.health(
                    try call.provider, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func credentials(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/providers/{provider}/credentials"
        let noun = owner.noun("provider-credentials")
        return [
            .list(
                base, .needs(.providersRead, in: owner.place), "\(noun).list",
                "List a provider's credentials, without their secrets", isByCreation: false,
                query: [CredentialBody.ofState], of: .providerCredential
            ) { call throws(OperationError) in
                try await call.operations.providerCredentials.list(
                    of: try call.provider, owner: try owner.tenant(of: call),
                    isEnabled: try call.query[CredentialBody.ofState], by: try call.caller)
            },
            .write(
                .post, base, .needs(.providersUpdate, in: owner.place), "\(noun).create",
                "Add a credential; calls are shared by weight", body: CredentialBody.shape, status: 201,
                answers: .providerCredential
            ) { call throws(OperationError) in
                try await call.operations.providerCredentials.add(
                    Secret(utf8: try call.body[CredentialBody.credential]),
                    name: try call.body[CredentialBody.name], weight: try call.body[CredentialBody.weight],
                    to: try call.provider, owner: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{credential}", .needs(.providersRead, in: owner.place), "\(noun).get",
                "Get a credential, without its secret", answers: .providerCredential
            ) { call throws(OperationError) in
                try await call.operations.providerCredentials.get(
                    try call.credential, of: try call.provider, owner: try owner.tenant(of: call),
                    by: try call.caller)
            },
            .write(
                .patch, "\(base)/{credential}", .needs(.providersUpdate, in: owner.place), "\(noun).update",
                "Change a credential, or replace its secret", body: CredentialChangeBody.shape,
                answers: .providerCredential
            ) { call throws(OperationError) in
                try await call.operations.providerCredentials.update(
                    try call.credential, try CredentialChangeBody.value(call.body), of: try call.provider,
                    owner: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .delete, "\(base)/{credential}", .needs(.providersUpdate, in: owner.place), "\(noun).delete",
                "Remove a credential", answers: .providerCredential
            ) { call throws(OperationError) in
                try await call.operations.providerCredentials.remove(
                    try call.credential, from: try call.provider, owner: try owner.tenant(of: call),
                    by: try call.caller)
            },
        ]
    }

    private static func routes(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/providers"
        let noun = owner.noun("providers")
        return [
            .list(
                base, .needs(.providersRead, in: owner.place), "\(noun).list", "List providers",
                query: ProviderQuery.fields, of: .provider
            ) { call throws(OperationError) in
                try await call.operations.providers.list(
                    of: try owner.tenant(of: call), where: try ProviderQuery.value(call.query),
                    try call.page, by: try call.caller)
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
