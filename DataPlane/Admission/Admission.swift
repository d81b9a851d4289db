package import Domain
package import Policy

/// Decides on one loop who may call: `Policy`'s decision, and this node's own counts. Loop thread.
package final class Admission {
    /// Calls that hold a permit now.
    package private(set) var inFlight = 0
    private var identifiers: IdentifierGenerator
    var expectation = OutputExpectation()

    /// `seed` makes the ids of usage events unlike every other loop's: take it from the system's generator.
    package init(seed: UInt64) { identifiers = IdentifierGenerator(seed: seed) }

    /// Who calls, and whether they may use the endpoint now. For what costs nothing, such as listing models,
    /// and to refuse strangers before a large body is read.
    package func authenticate(
        _ bearer: UnsafeRawBufferPointer?, for endpoint: Endpoint, from origin: CallOrigin = CallOrigin(),
        at now: Timestamp, in snapshot: CompiledSnapshot
    ) throws(Refusal) -> AdmittedKey {
        guard let bearer else { throw .invalidKey }
        return try Policy.authenticate(bearer, for: endpoint, from: origin, at: now, in: snapshot)
    }

    /// The right to make one call to a route: who, may they. Nothing is dialled without it.
    package func admit(
        _ bearer: UnsafeRawBufferPointer?, route: UnsafeRawBufferPointer, endpoint: Endpoint,
        from origin: CallOrigin = CallOrigin(), at now: Timestamp, in snapshot: CompiledSnapshot
    ) throws(Refusal) -> Permit {
        guard let bearer else { throw .invalidKey }
        let admitted = try Policy.admit(
            bearer, route: route, endpoint: endpoint, from: origin, at: now, in: snapshot)
        return Permit(
            admitted, id: UsageEventID(at: now, using: &identifiers), endpoint: endpoint, admittedAt: now,
            by: self)
    }

    /// The id of a further event of a call.
    func makeID(at now: Timestamp) -> UsageEventID { UsageEventID(at: now, using: &identifiers) }
    /// The right to pass one call through to a provider of the caller's tenant, by its name.
    package func admit(
        _ bearer: UnsafeRawBufferPointer?, passingTo provider: String, from origin: CallOrigin,
        at now: Timestamp, in snapshot: CompiledSnapshot
    ) throws(Refusal) -> Permit {
        guard let bearer else { throw .invalidKey }
        let admitted = try Policy.admit(bearer, passingTo: provider, from: origin, at: now, in: snapshot)
        return Permit(
            admitted, id: UsageEventID(at: now, using: &identifiers), endpoint: .passthrough,
            admittedAt: now, by: self)
    }

    func enter() { inFlight += 1 }
    func leave() { inFlight -= 1 }
}

/// Numbers for ids: unlike each other, and no secret (SplitMix64). The system's generator costs a system call
/// a number.
struct IdentifierGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
