import Domain
import HTTPWire
import JSONText
import Operations

/// Service accounts of a tenant, and of the platform: the same routes in two places.
enum ServiceAccountRoutes {
    static let all: [AdminRoute] =
        accounts(of: .tenant) + tokens(of: .tenant) + accounts(of: .platform) + tokens(of: .platform)

    /// The first word of operation ids.
    private static func noun(_ owner: Ownership) -> String {
        owner == .tenant ? "service-accounts" : "platform-service-accounts"
    }

    private static func accounts(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/service-accounts", one = "\(base)/{service_account}"
        let noun = noun(owner)
        return [
            .list(
                base, .needs(.serviceAccountsRead, in: owner.place), "\(noun).list", "List service accounts",
                query: [ServiceAccountBody.ofStatus, Paging.namePrefix], of: .serviceAccount
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.list(
                    of: try owner.tenant(of: call), status: try call.query[ServiceAccountBody.ofStatus],
                    try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.serviceAccountsCreate, in: owner.place), "\(noun).create",
                "Create a service account, without roles", body: ServiceAccountBody.shape, status: 201,
                answers: .serviceAccount
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.create(
                    name: try call.body[GroupBody.name], description: try call.body[GroupBody.description],
                    in: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, one, .needs(.serviceAccountsRead, in: owner.place), "\(noun).get",
                "Get a service account", answers: .serviceAccount
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.get(
                    try call.serviceAccount, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .patch, one, .needs(.serviceAccountsUpdate, in: owner.place), "\(noun).update",
                "Change a service account, or switch it off", body: ServiceAccountBody.changeShape,
                answers: .serviceAccount
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.update(
                    try call.serviceAccount, name: try call.body[GroupBody.newName],
                    description: try call.body[GroupBody.newDescription],
                    status: try call.body[ServiceAccountBody.status], in: try owner.tenant(of: call),
                    by: try call.caller)
            },
            .write(
                .delete, one, .needs(.serviceAccountsDelete, in: owner.place), "\(noun).delete",
                "Delete a service account with its tokens and roles", answers: .serviceAccount
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.delete(
                    try call.serviceAccount, in: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func tokens(of owner: Ownership) -> [AdminRoute] {
        let one = "\(owner.basePath)/service-accounts/{service_account}"
        let noun = noun(owner)
        return [
            .list(
                "\(one)/tokens", .needs(.serviceAccountsRead, in: owner.place), "\(noun).list-tokens",
                "List a service account's tokens", query: [ServiceAccountBody.ofStanding],
                of: .managementToken
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.tokens(
                    of: try call.serviceAccount,
                    standing: try call.query[ServiceAccountBody.ofStanding],
                    in: try owner.tenant(of: call), try call.page, by: try call.caller)
            },
            .write(
                .post, "\(one)/tokens", .needs(.serviceAccountsUpdate, in: owner.place),
                "\(noun).create-token", "Issue a token for the admin API; it is shown this once",
                body: ServiceAccountBody.tokenShape, status: 201, answers: .issuedManagementToken
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.createToken(
                    of: try call.serviceAccount, name: try call.body[ServiceAccountBody.tokenName],
                    expires: try call.body[ServiceAccountBody.expires], in: try owner.tenant(of: call),
                    by: try call.caller)
            },
            .write(
                .post, "\(one)/tokens/{token}/revoke", .needs(.serviceAccountsUpdate, in: owner.place),
                "\(noun).revoke-token", "Revoke a token for good", answers: .managementToken
            ) { call throws(OperationError) in
                try await call.operations.serviceAccounts.revokeToken(
                    try call.managementToken, of: try call.serviceAccount, in: try owner.tenant(of: call),
                    by: try call.caller)
            },
        ]
    }
}

// MARK: - Shapes

extension Representation<ServiceAccount> {
    static let serviceAccount = Representation(
        "ServiceAccount",
        [
            .init("id", .id(ServiceAccount.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is; all zeros: the platform's.") { .text($0.tenant) },
            .init("name", .text(1...200), "Unique in the tenant.") { .string($0.name) },
            .init("description", .text(0...Group.maximumDescription), "What it is for.") {
                .string($0.description)
            },
            .init(
                "status", .words(ServiceAccount.Status.allCases.map(\.rawValue)),
                "A disabled account's tokens do not work."
            ) { .string($0.status.rawValue) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

extension Representation<ManagementTokenState> {
    static let managementToken = Representation(
        "ManagementToken",
        [
            .init("id", .id(ManagementTokenNoun.self), "Never changes.") { .text($0.token.id) },
            .init("service_account", .id(ServiceAccount.self), "Whom it speaks for.") {
                .text($0.token.serviceAccount)
            },
            .init("name", .text(1...200), "Name for people.") { .string($0.token.name) },
            .init("prefix", .text(20...20), "The public part of the token's text, to tell tokens apart.") {
                .string("\(ManagementTokenText.prefix)\($0.token.publicID)")
            },
            .init(
                "standing", .words(ManagementToken.Standing.allCases.map(\.rawValue)),
                "Whether it works now, if its account is active.", isMoving: true
            ) { .string($0.standing.rawValue) },
            .init("expires_at", .nullable(.time), "When it stops working.") { .optional($0.token.expires) },
            .init("revoked_at", .nullable(.time), "When it was revoked.") { .optional($0.token.revoked) },
            .init("last_used_at", .nullable(.time), "When it was last used, to the minute.", isMoving: true) {
                .optional($0.token.lastUsedAt)
            },
            .init("created_at", .time, "When it was made.") { .text($0.token.createdAt) },
        ])
}

extension Representation<IssuedManagementToken> {
    /// The one answer that shows a token's text.
    static let issuedManagementToken = Representation(
        "IssuedManagementToken",
        [
            .init("token", Representation<ManagementTokenState>.managementToken.schema, "The token.") {
                Representation<ManagementTokenState>.managementToken.json($0.token)
            },
            .init(
                "secret", .shownOnce(ManagementTokenText.length...ManagementTokenText.length),
                "Goes into `Authorization: Bearer`. Shown this once."
            ) { .string($0.text.reveal()) },
        ])
}

/// The bodies about service accounts and their tokens.
enum ServiceAccountBody {
    static let shape = BodyShape("NewServiceAccount", [GroupBody.name, GroupBody.description])
    static let status = Field<ServiceAccount.Status?>.change(
        "status", .word(), "A disabled account's tokens stop working at once.")
    static let changeShape = BodyShape(
        "ServiceAccountChange", [GroupBody.newName, GroupBody.newDescription, status])

    static let tokenName = Field<String>.required(
        "name", .text(.displayName, example: "terraform"), "Name for people.")
    static let expires = Field<Timestamp?>.optional(
        "expires_at", .time,
        "When it stops working; missing: in \(ServiceAccountOperations.maximumTokenDays) days, the longest.")
    static let ofStatus = Field<ServiceAccount.Status?>.optional(
        "status", .word(), "Only accounts of this status.")
    static let ofStanding = Field<ManagementToken.Standing?>.optional(
        "standing", .word(), "Only tokens that stand so now.")
    static let tokenShape = BodyShape("NewManagementToken", [tokenName, expires])
}
