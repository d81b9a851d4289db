import Contract
package import Domain

/// Why a call is refused before anything is dialled; each is one entry of the error catalogue.
package enum Refusal: Error, Hashable, Sendable, CaseIterable {
    /// No key, no key's form, an unknown key or a wrong secret: indistinguishable from outside.
    case invalidKey
    case revoked
    case expired
    case notYetValid
    /// The secret of before the last rotation, and its time is over.
    case secretReplaced
    /// The key is strict, and the node has not heard from the control plane for too long.
    case snapshotStale
    case addressNotAllowed
    /// The tenant's calls are served in another region than this node's.
    case regionNotAllowed
    case tenantSuspended
    case endpointNotAllowed
    case routeNotFound
    case routeNotAllowed
    /// The key may use the route, but none of the models behind it.
    case modelNotAllowed

    package var errorCode: ErrorCode {
        switch self {
        case .invalidKey: .invalidAPIKey
        case .revoked: .keyRevoked
        case .expired: .keyExpired
        case .notYetValid: .keyNotYetValid
        case .secretReplaced: .keyRotated
        case .snapshotStale: .snapshotStale
        case .addressNotAllowed: .addressNotAllowed
        case .regionNotAllowed: .regionNotAllowed
        case .tenantSuspended: .tenantSuspended
        case .endpointNotAllowed: .endpointNotAllowed
        case .routeNotFound: .routeNotFound
        case .routeNotAllowed: .routeNotAllowed
        case .modelNotAllowed: .modelNotAllowed
        }
    }
}

/// Where a call comes from, and how fresh this node's knowledge is.
package struct CallOrigin: Sendable, Hashable {
    /// The peer; nil: not known, which no range of addresses holds.
    package var address: NetworkAddress?
    /// The control plane was silent for longer than strict keys bear.
    package var isOverdue: Bool
    /// Where this node stands; nil: not known, where no tenant's calls are held to.
    package var region: String?

    package init(address: NetworkAddress? = nil, region: String? = nil, isOverdue: Bool = false) {
        self.address = address
        self.region = region
        self.isOverdue = isOverdue
    }
}

/// A key that may call an endpoint now: only `authenticate` makes one. A reference, since a call hands it
/// from stage to stage.
package final class AdmittedKey: Sendable {
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

    /// Whether the key's calls may be sent to a target.
    package func allows(_ target: CompiledTarget) -> Bool { segment.allows(target.entry.model, record) }

    /// Whether the key may name the route, and be answered by one of its targets at least.
    package func canUse(_ route: CompiledRoute) -> Bool {
        allows(route) && route.targets.contains(where: allows)
    }

    /// The routes the key can use, in the order of names: what `GET /v1/models` lists.
    package var routes: [CompiledRoute] { tenant.routes.filter(canUse) }

    /// The key may use some of its tenant's routes or models only.
    var isHeld: Bool { segment.isHeld(record) }

    package var tags: [String] { segment.tags(of: record) }
    package func has(tag: String) -> Bool { segment.has(tag, record) }

    /// The member it belongs to.
    package var owner: UserID? { segment.scope(of: record)?.owner }

    /// The limits whose subject is the key itself.
    var ownLimits: Range<UInt32> { segment.limits(of: record) }
    var hasOwnLimits: Bool { !ownLimits.isEmpty }
    func ownLimit(_ index: UInt32) -> CompiledLimit { segment.limit(index) }
}

/// A call that may be made: only `admit` makes one.
package struct Admitted: Sendable {
    package let key: AdmittedKey
    package let route: CompiledRoute
}

/// Who calls, and whether they may use an endpoint now: form and checksum, public id, secret, standing,
/// freshness, address, tenant, region, endpoint, in that order. Pure; allocates nothing but its answer.
///
/// An unknown public id costs as much as a wrong secret. Standing is told only to somebody who knows the
/// secret.
package func authenticate(
    _ credential: UnsafeRawBufferPointer, for endpoint: Endpoint, from origin: CallOrigin = CallOrigin(),
    at now: Timestamp, in snapshot: CompiledSnapshot
) throws(Refusal) -> AdmittedKey {
    let (record, replaced, segment) = try recognise(credential, in: snapshot)
    return try admitted(
        record, isReplaced: replaced.map { now >= $0 } ?? false, segment, for: endpoint, from: origin,
        at: now,
        in: snapshot)
}

/// Whose key it is, whether or not it may be used now; nil for strangers. For the books of refused calls.
package func identify(_ credential: UnsafeRawBufferPointer, in snapshot: CompiledSnapshot) -> KeyRecord? {
    try? recognise(credential, in: snapshot).record
}

/// The key of which the caller knows the secret; when it is the one of before a rotation, until when it
/// counts.
private func recognise(
    _ credential: UnsafeRawBufferPointer, in snapshot: CompiledSnapshot
) throws(Refusal) -> (record: KeyRecord, replacedAt: Timestamp?, segment: KeySegment) {
    guard let key = KeyText(bytes: credential) else { throw .invalidKey }
    guard let (segment, index) = snapshot.find(key.publicID) else {
        _ = SecretHash.unknown.matches(key)
        throw .invalidKey
    }
    let record = segment[index]
    if record.secretHash.matches(key) { return (record, nil, segment) }
    guard let previous = segment.scope(of: record)?.previous, previous.hash.matches(key) else {
        throw .invalidKey
    }
    return (record, previous.until, segment)
}

/// Everything about a key whose secret is known.
private func admitted(
    _ record: KeyRecord, isReplaced: Bool, _ segment: KeySegment, for endpoint: Endpoint,
    from origin: CallOrigin, at now: Timestamp, in snapshot: CompiledSnapshot
) throws(Refusal) -> AdmittedKey {
    try judge(record, isReplaced: isReplaced, segment, from: origin, at: now, in: snapshot)
    // A tenant that is not there cannot happen in a validated snapshot; it is refused like a suspended one.
    guard let tenant = snapshot.tenant(record.tenant), !tenant.isSuspended, !snapshot.isKilled(record.tenant)
    else {
        throw .tenantSuspended
    }
    if let region = tenant.region, region != origin.region { throw .regionNotAllowed }
    guard record.endpoints.allows(endpoint) else { throw .endpointNotAllowed }
    return AdmittedKey(record, tenant: tenant, segment: segment)
}

/// Whether a key whose secret is known may be used now, and from there.
private func judge(
    _ record: KeyRecord, isReplaced: Bool, _ segment: KeySegment, from origin: CallOrigin, at now: Timestamp,
    in snapshot: CompiledSnapshot
) throws(Refusal) {
    if snapshot.isKilled(record.id) { throw .revoked }
    switch record.standing(at: now) {
    case .active: break
    case .revoked: throw .revoked
    case .expired: throw .expired
    case .notYetValid: throw .notYetValid
    }
    if isReplaced { throw .secretReplaced }
    if record.isStrict && origin.isOverdue { throw .snapshotStale }
    guard segment.allows(origin.address, record) else { throw .addressNotAllowed }
}

/// Whether a call may be made: `authenticate`, then the route by the bytes of its name, then the key's
/// permission for it.
///
/// A route the key may not use is told apart from one that does not exist only inside the tenant, where it is
/// no secret.
package func admit(
    _ credential: UnsafeRawBufferPointer, route name: UnsafeRawBufferPointer, endpoint: Endpoint,
    from origin: CallOrigin = CallOrigin(), at now: Timestamp, in snapshot: CompiledSnapshot
) throws(Refusal) -> Admitted {
    let key = try authenticate(credential, for: endpoint, from: origin, at: now, in: snapshot)
    return try admitted(key, to: name)
}

private func admitted(
    _ key: AdmittedKey, to name: UnsafeRawBufferPointer
) throws(Refusal) -> Admitted {
    guard let route = key.tenant.route(named: name) else { throw .routeNotFound }
    guard key.allows(route) else { throw .routeNotAllowed }
    guard key.canUse(route) else { throw .modelNotAllowed }
    return Admitted(key: key, route: route)
}

/// What a node would decide about a call of a key, its secret taken as known: `admit` without the secret.
func examine(
    _ publicID: KeyPublicID, route name: String, endpoint: Endpoint, from origin: CallOrigin,
    at now: Timestamp, in snapshot: CompiledSnapshot
) -> (record: KeyRecord?, key: AdmittedKey?, verdict: Result<Admitted, Refusal>) {
    guard let (segment, index) = snapshot.find(publicID) else { return (nil, nil, .failure(.invalidKey)) }
    let record = segment[index]
    var origin = origin
    // Not said: at a node where the tenant's calls go.
    origin.region = origin.region ?? snapshot.tenant(record.tenant)?.region
    do throws(Refusal) {
        let key = try admitted(
            record, isReplaced: false, segment, for: endpoint, from: origin, at: now, in: snapshot)
        var name = name
        let verdict = name.withUTF8 { bytes in
            Result { () throws(Refusal) in try admitted(key, to: UnsafeRawBufferPointer(bytes)) }
        }
        return (record, key, verdict)
    } catch {
        return (record, nil, .failure(error))
    }
}
