package import Domain
import Store

/// Where a request came from: for the audit log and for throttling, never for authorisation.
package struct RequestOrigin: Sendable, Hashable {
    package let requestID: String
    /// The peer's address without its port.
    package let address: String
    package let userAgent: String

    package init(requestID: String, address: String, userAgent: String = "") {
        self.requestID = requestID
        self.address = address
        self.userAgent = userAgent
    }
}

/// Who asks for an operation: a signed-in user with what they may do at this moment. There is no ambient
/// identity; every operation takes one.
package struct Caller: Sendable, Hashable {
    package let user: UserID
    package let session: SessionID
    package let authority: Authority
    /// Tenants (and the platform, as its own row) that ask for a second factor the user does not have. Their
    /// roles are not in `authority`.
    let barred: Set<TenantID>
    package let origin: RequestOrigin

    package init(
        user: UserID, session: SessionID, authority: Authority, barred: Set<TenantID> = [],
        origin: RequestOrigin
    ) {
        self.user = user
        self.session = session
        self.authority =
            barred.isEmpty
            ? authority
            : Authority(authority.bindings.filter { !barred.contains($0.scope.tenant ?? .platform) })
        self.barred = barred
        self.origin = origin
    }

    /// Passes when the caller may do this there. Throws `forbidden` to those who belong there and lack the
    /// permission, and `not_found` to everybody else.
    func demand(_ permission: Permission, in scope: Scope) throws(OperationError) {
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
    func demandSomewhere(_ permission: Permission, in tenant: TenantID) throws(OperationError) {
        let inSomeWorkspace = authority.bindings.contains { binding in
            binding.scope.tenant == tenant && binding.role.permissions.contains(permission)
                && !permission.isPlatformOnly
        }
        if !inSomeWorkspace { try demand(permission, in: .tenant(tenant)) }
    }
}
