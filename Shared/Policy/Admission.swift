import Contract
package import Domain

/// Why a call is refused before anything is dialled; each is one entry of the error catalogue.
package enum Refusal: Error, Hashable, Sendable, CaseIterable {
    /// No key, no key's form, an unknown key or a wrong secret: indistinguishable from outside.
    case invalidKey
    case revoked
    case expired
    case notYetValid
    case tenantSuspended
    /// The key may not use this endpoint, or not this route.
    case permissionDenied
    case routeNotFound

    package var errorCode: ErrorCode {
        switch self {
        case .invalidKey: .invalidAPIKey
        case .revoked: .keyRevoked
        case .expired: .keyExpired
        case .notYetValid: .keyNotYetValid
        case .tenantSuspended: .tenantSuspended
        case .permissionDenied: .permissionDenied
        case .routeNotFound: .routeNotFound
        }
    }
}

/// A key that may call an endpoint now: only `authenticate` makes one.
package struct AdmittedKey: Sendable {
    package let record: KeyRecord
    package let tenant: CompiledTenant
    private let segment: KeySegment

    fileprivate init(_ record: KeyRecord, tenant: CompiledTenant, segment: KeySegment) {
        self.record = record
        self.tenant = tenant
        self.segment = segment
    }

    /// Whether the key may name a route of its tenant.
    package func allows(_ route: CompiledRoute) -> Bool { segment.allows(route.id, record) }

    /// The routes the key may name, in the order of names: what `GET /v1/models` lists.
    package var routes: [CompiledRoute] { tenant.routes.filter(allows) }
}

/// A call that may be made: only `admit` makes one.
package struct Admitted: Sendable {
    package let key: AdmittedKey
    package let route: CompiledRoute
}

/// Who calls, and whether they may use an endpoint now: form and checksum, public id, secret, standing,
/// tenant, endpoint, in that order. Pure; allocates nothing.
///
/// An unknown public id costs as much as a wrong secret. Standing is told only to somebody who knows the
/// secret.
package func authenticate(
    _ credential: UnsafeRawBufferPointer, for endpoint: Endpoint, at now: Timestamp,
    in snapshot: CompiledSnapshot
) throws(Refusal) -> AdmittedKey {
    guard let key = KeyText(bytes: credential) else { throw .invalidKey }
    guard let (segment, index) = snapshot.find(key.publicID) else {
        _ = SecretHash.unknown.matches(key)
        throw .invalidKey
    }
    let record = segment[index]
    guard record.secretHash.matches(key) else { throw .invalidKey }
    if snapshot.isKilled(record.id) { throw .revoked }
    switch record.standing(at: now) {
    case .active: break
    case .revoked: throw .revoked
    case .expired: throw .expired
    case .notYetValid: throw .notYetValid
    }
    // A tenant that is not there cannot happen in a validated snapshot; it is refused like a suspended one.
    guard let tenant = snapshot.tenant(record.tenant), !tenant.isSuspended, !snapshot.isKilled(record.tenant)
    else {
        throw .tenantSuspended
    }
    guard record.endpoints.allows(endpoint) else { throw .permissionDenied }
    return AdmittedKey(record, tenant: tenant, segment: segment)
}

/// Whether a call may be made: `authenticate`, then the route by the bytes of its name, then the key's
/// permission for it.
///
/// A route the key may not use is told apart from one that does not exist only inside the tenant, where it is
/// no secret.
package func admit(
    _ credential: UnsafeRawBufferPointer, route name: UnsafeRawBufferPointer, endpoint: Endpoint,
    at now: Timestamp,
    in snapshot: CompiledSnapshot
) throws(Refusal) -> Admitted {
    let key = try authenticate(credential, for: endpoint, at: now, in: snapshot)
    guard let route = key.tenant.route(named: name) else { throw .routeNotFound }
    guard key.allows(route) else { throw .permissionDenied }
    return Admitted(key: key, route: route)
}
