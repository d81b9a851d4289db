package import Contract
package import Domain

/// One key of a snapshot, flat: no references, so a million of them cost nothing to keep.
package struct KeyRecord: Sendable {
    package let publicID: KeyPublicID
    package let secretHash: SecretHash
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    fileprivate let notBefore: Int64
    fileprivate let expires: Int64
    package let endpoints: EndpointSet
    fileprivate let firstRoute: UInt32
    fileprivate let routeCount: UInt16
    package let isRevoked: Bool

    fileprivate init(_ entry: KeyEntry, firstRoute: Int) {
        publicID = entry.publicID
        secretHash = entry.secretHash
        id = entry.id
        tenant = entry.tenant
        workspace = entry.workspace
        notBefore = (entry.notBefore ?? .distantPast).microseconds
        expires = (entry.expires ?? .distantFuture).microseconds
        endpoints = entry.permitted.endpoints
        self.firstRoute = UInt32(truncatingIfNeeded: firstRoute)
        routeCount = UInt16(truncatingIfNeeded: entry.permitted.routes.count)
        isRevoked = entry.revoked != nil
    }

    /// Whether the key may be used at a moment: `KeyStanding`'s rule on the flat form.
    package func standing(at now: Timestamp) -> KeyStanding {
        .of(
            revoked: isRevoked ? .epoch : nil,
            notBefore: notBefore == Timestamp.distantPast.microseconds
                ? nil : Timestamp(microseconds: notBefore),
            expires: expires == Timestamp.distantFuture.microseconds ? nil : Timestamp(microseconds: expires),
            at: now)
    }
}

/// The keys of one shard: records side by side, and an open-addressing table of their positions at most half
/// full.
///
/// Immutable after `init`; about 140 bytes a key (128 of record, 8–16 of table). A lookup touches two cache
/// lines and allocates nothing.
final class KeySegment: @unchecked Sendable {
    // Sendable by hand: the memory is written by `init` alone and freed by `deinit`.
    private let records: UnsafeMutableBufferPointer<KeyRecord>
    private let slots: UnsafeMutableBufferPointer<UInt32>
    private let routes: UnsafeMutableBufferPointer<RouteID>

    private static let vacant = UInt32.max

    /// - Parameter twice: told of every public id that another key has already.
    init(_ entries: [KeyEntry], twice: (KeyEntry) -> Void = { _ in }) {
        var slotCount = 2
        while slotCount < entries.count * 2 { slotCount *= 2 }
        records = .allocate(capacity: entries.count)
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: Self.vacant)
        routes = .allocate(capacity: entries.reduce(0) { $0 + $1.permitted.routes.count })
        var routeCount = 0
        for (index, entry) in entries.enumerated() {
            records.initializeElement(at: index, to: KeyRecord(entry, firstRoute: routeCount))
            for route in entry.permitted.routes {
                routes.initializeElement(at: routeCount, to: route)
                routeCount += 1
            }
            var slot = firstSlot(ShardLayout.mixed(entry.publicID.high, entry.publicID.low))
            while slots[slot] != Self.vacant {
                if records[Int(slots[slot])].publicID == entry.publicID { twice(entry) }
                slot = (slot + 1) & (slotCount - 1)
            }
            slots[slot] = UInt32(index)
        }
    }

    deinit {
        records.deallocate()
        slots.deallocate()
        routes.deallocate()
    }

    var count: Int { records.count }

    /// The bytes it keeps.
    var residentBytes: Int {
        records.count * MemoryLayout<KeyRecord>.stride + slots.count * 4 + routes.count
            * MemoryLayout<RouteID>.stride
    }

    subscript(index: Int) -> KeyRecord { records[index] }

    // The low bits of the mix chose the shard; the high ones choose the slot.
    private func firstSlot(_ mixed: UInt64) -> Int {
        Int(truncatingIfNeeded: mixed >> 32) & (slots.count - 1)
    }

    /// The position of a public id, or nil.
    func index(of publicID: KeyPublicID, mixed: UInt64) -> Int? {
        var slot = firstSlot(mixed)
        while true {
            let index = slots[slot]
            if index == Self.vacant { return nil }
            if records[Int(index)].publicID == publicID { return Int(index) }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    /// Whether a key may name a route.
    func allows(_ route: RouteID, _ record: KeyRecord) -> Bool {
        if record.routeCount == 0 { return true }
        let first = Int(record.firstRoute)
        return routes[first..<first + Int(record.routeCount)].contains(route)
    }
}
