package import Domain
import Store

/// Where a request came from: for the audit log and for throttling, never for authorisation.
package struct RequestOrigin: Sendable, Hashable {
    package let requestID: String
    /// The client's address without its port.
    package let address: String
    /// What tries are counted under: the address, or the block that one subscriber has.
    package let subscriber: String
    package let userAgent: String

    package init(requestID: String, address: String, subscriber: String? = nil, userAgent: String = "") {
        self.requestID = requestID
        self.address = address
        self.subscriber = subscriber ?? address
        self.userAgent = userAgent
    }
}

/// Who asks for an operation: a signed-in user or a service account, with what they may do at this moment.
/// There is no ambient identity; every operation takes one.
package struct Caller: Sendable, Hashable {
    package enum Identity: Sendable, Hashable {
        case user(UserID, session: SessionID)
        case serviceAccount(ServiceAccountID, token: ManagementTokenID)
    }

    package let identity: Identity
    package let authority: Authority
    /// Tenants (and the platform, as its own row) that ask for a second factor the user does not have. Their
    /// roles are not in `authority`.
    let barred: Set<TenantID>
    /// The one tenant whose identity provider vouches for the caller; nil: they are who they are everywhere.
    let onlyTenant: TenantID?
    package let origin: RequestOrigin

    package init(
        user: UserID, session: SessionID, authority: Authority, barred: Set<TenantID> = [],
        only tenant: TenantID? = nil, origin: RequestOrigin
    ) {
        identity = .user(user, session: session)
        self.authority =
            barred.isEmpty
            ? authority
            : Authority(authority.bindings.filter { !barred.contains($0.scope.tenant ?? .platform) })
        self.barred = barred
        onlyTenant = tenant
        self.origin = origin
    }

    package init(
        serviceAccount: ServiceAccountID, token: ManagementTokenID, authority: Authority,
        origin: RequestOrigin
    ) {
        identity = .serviceAccount(serviceAccount, token: token)
        self.authority = authority
        barred = []
        onlyTenant = nil
        self.origin = origin
    }

    /// What quotas and repeated requests are counted under: the user's ID, or a service account's in its
    /// place.
    package var countedAs: UserID {
        switch identity {
        case .user(let id, _): id
        case .serviceAccount(let id, _): UserID(high: id.high, low: id.low)
        }
    }

    /// nil: a service account.
    package var user: UserID? { if case .user(let id, _) = identity { id } else { nil } }

    /// The user and their session, for what only people have. Throws `forbidden` for service accounts.
    package var person: (user: UserID, session: SessionID) {
        get throws(OperationError) {
            guard case .user(let user, let session) = identity else {
                throw OperationError(
                    .forbidden, detail: "This is about a signed-in user; a service account has none of it.")
            }
            return (user, session)
        }
    }

    /// As `person`, for what concerns the account itself. Throws `forbidden` too when only a tenant's
    /// identity provider says who it is: the tenant runs that provider, and the account is not the tenant's.
    package var ownAccount: (user: UserID, session: SessionID) {
        get throws(OperationError) {
            guard onlyTenant == nil else {
                throw OperationError(
                    .forbidden, detail: "You came by a tenant's identity provider; sign in to your account.")
            }
            return try person
        }
    }

    /// Passes when the caller may do this there. Throws `forbidden` to those who belong there and lack the
    /// permission, and `not_found` to everybody else.
    package func demand(_ permission: Permission, in scope: Scope) throws(OperationError) {
        switch authorise(authority, permission, in: scope) {
        case .allowed: return
        case _ where barred.contains(scope.tenant ?? .platform) || barred.contains(.platform):
            throw OperationError(.secondFactorRequired)
        case .forbidden: throw .forbidden(permission)
        case .hidden: throw .notFound
        }
    }

    func may(_ permission: Permission, in scope: Scope) -> Bool {
        authorise(authority, permission, in: scope) == .allowed
    }

    /// As `demand`, for things that hang on a workspace not known yet: the permission in the tenant or in any
    /// of its workspaces will do. What is then found must still pass `may(_:in:)` for its own workspace.
    package func demandSomewhere(_ permission: Permission, in tenant: TenantID) throws(OperationError) {
        let inSomeWorkspace = authority.bindings.contains { binding in
            binding.scope.tenant == tenant && binding.role.permissions.contains(permission)
                && !permission.isPlatformOnly
        }
        if !inSomeWorkspace { try demand(permission, in: .tenant(tenant)) }
    }
}
