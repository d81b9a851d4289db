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
    /// Where its scope lies; `noScope` for a key that has none.
    fileprivate let scope: UInt32
    package let isRevoked: Bool
    package let isStrict: Bool

    fileprivate static let noScope = UInt32.max

    fileprivate init(_ entry: KeyEntry, scope: UInt32) {
        publicID = entry.publicID
        secretHash = entry.secretHash
        id = entry.id
        tenant = entry.tenant
        workspace = entry.workspace
        notBefore = (entry.notBefore ?? .distantPast).microseconds
        expires = (entry.expires ?? .distantFuture).microseconds
        endpoints = entry.permitted.endpoints
        self.scope = scope
        isRevoked = entry.revoked != nil
        isStrict = entry.isStrict
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

/// What few keys have: what they are held to, their tags, owner, limits, the secret before the last rotation.
/// Apart from the records, so that the others do not pay for it.
struct KeyScope: Sendable {
    fileprivate let routes: Range<UInt32>
    fileprivate let models: Range<UInt32>
    fileprivate let addresses: Range<UInt32>
    fileprivate let tags: Range<UInt32>
    fileprivate let limits: Range<UInt32>
    let previous: PreviousSecret?
    let owner: UserID?

    fileprivate static func isNeeded(by entry: KeyEntry) -> Bool {
        let permitted = entry.permitted
        return !permitted.routes.isEmpty || !permitted.models.isEmpty || !permitted.addresses.isEmpty
            || !entry.tags.isEmpty || entry.previous != nil || entry.owner != nil || !entry.limits.isEmpty
    }
}

/// The keys of one shard: records side by side, and an open-addressing table of their positions at most half
/// full.
///
/// Immutable after `init`; about 140 bytes a key (128 of record, 8–16 of table), and 112 and its lists for
/// one with a scope. A lookup touches two cache lines and allocates nothing.
package final class KeySegment: @unchecked Sendable {
    // Sendable by hand: the memory is written by `init` alone and freed by `deinit`.
    private let records: UnsafeMutableBufferPointer<KeyRecord>
    private let slots: UnsafeMutableBufferPointer<UInt32>
    private let scopes: FlatList<KeyScope>
    private let routes: FlatList<RouteID>
    private let models: FlatList<ModelID>
    private let addresses: FlatList<AddressRange>
    private let tags: FlatList<String>
    private let limits: FlatList<CompiledLimit>

    private static let vacant = UInt32.max

    /// - Parameter twice: told of every public id that another key has already.
    init(_ entries: [KeyEntry], twice: (KeyEntry) -> Void = { _ in }) {
        var slotCount = 2
        while slotCount < entries.count * 2 { slotCount *= 2 }
        records = .allocate(capacity: entries.count)
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: Self.vacant)
        func total(_ count: (KeyEntry) -> Int) -> Int { entries.reduce(0) { $0 + count($1) } }
        let routes = FlatList<RouteID>(capacity: total(\.permitted.routes.count))
        let models = FlatList<ModelID>(capacity: total(\.permitted.models.count))
        let addresses = FlatList<AddressRange>(capacity: total(\.permitted.addresses.count))
        let tags = FlatList<String>(capacity: total(\.tags.count))
        let limits = FlatList<CompiledLimit>(capacity: total(\.limits.count))
        scopes = FlatList(capacity: total { KeyScope.isNeeded(by: $0) ? 1 : 0 })
        for (index, entry) in entries.enumerated() {
            var scope = KeyRecord.noScope
            if KeyScope.isNeeded(by: entry) {
                scope =
                    scopes.append([
                        KeyScope(
                            routes: routes.append(entry.permitted.routes),
                            models: models.append(entry.permitted.models),
                            addresses: addresses.append(entry.permitted.addresses),
                            tags: tags.append(entry.tags),
                            limits: limits.append(entry.limits.map { CompiledLimit($0) }),
                            previous: entry.previous, owner: entry.owner)
                    ]).lowerBound
            }
            records.initializeElement(at: index, to: KeyRecord(entry, scope: scope))
        }
        (self.routes, self.models, self.addresses) = (routes, models, addresses)
        (self.tags, self.limits) = (tags, limits)
        for (index, entry) in entries.enumerated() {
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
    }

    var count: Int { records.count }

    /// The bytes it keeps; of tags and limits, what they refer to is not counted.
    var residentBytes: Int {
        records.count * MemoryLayout<KeyRecord>.stride + slots.count * 4 + scopes.residentBytes
            + routes.residentBytes + models.residentBytes + addresses.residentBytes + tags.residentBytes
            + limits.residentBytes
    }

    package subscript(index: Int) -> KeyRecord { records[index] }

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

    // MARK: Scopes

    func scope(of record: KeyRecord) -> KeyScope? {
        record.scope == KeyRecord.noScope ? nil : scopes[record.scope]
    }

    /// Whether a key may name a route.
    func allows(_ route: RouteID, _ record: KeyRecord) -> Bool {
        guard let scope = scope(of: record) else { return true }
        return scope.routes.isEmpty || routes.contains(route, in: scope.routes)
    }

    /// Whether a key's calls may be sent to a model.
    func allows(_ model: ModelID, _ record: KeyRecord) -> Bool {
        guard let scope = scope(of: record) else { return true }
        return scope.models.isEmpty || models.contains(model, in: scope.models)
    }

    /// Whether a key may use some routes or models only.
    func isHeld(_ record: KeyRecord) -> Bool {
        scope(of: record).map { !$0.routes.isEmpty || !$0.models.isEmpty } ?? false
    }

    /// Whether a key may be used from an address; nil: from one that is not known.
    func allows(_ address: NetworkAddress?, _ record: KeyRecord) -> Bool {
        guard let scope = scope(of: record), !scope.addresses.isEmpty else { return true }
        guard let address else { return false }
        for index in scope.addresses where addresses[index].contains(address) { return true }
        return false
    }

    func has(_ tag: String, _ record: KeyRecord) -> Bool {
        guard let scope = scope(of: record) else { return false }
        return tags.contains(tag, in: scope.tags)
    }

    func tags(of record: KeyRecord) -> [String] { scope(of: record)?.tags.map { tags[$0] } ?? [] }

    /// Where the limits of the key itself lie.
    func limits(of record: KeyRecord) -> Range<UInt32> { scope(of: record)?.limits ?? 0..<0 }
    func limit(_ index: UInt32) -> CompiledLimit { limits[index] }
}

/// Elements of many keys, one after the other. Filled once, then read from any thread.
private final class FlatList<Element: Sendable>: @unchecked Sendable {
    private let elements: UnsafeMutableBufferPointer<Element>
    private var count = 0

    init(capacity: Int) { elements = .allocate(capacity: capacity) }

    deinit {
        elements.extracting(..<count).deinitialize()
        elements.deallocate()
    }

    var residentBytes: Int { count * MemoryLayout<Element>.stride }

    func append(_ new: [Element]) -> Range<UInt32> {
        let first = count
        for element in new {
            elements.initializeElement(at: count, to: element)
            count += 1
        }
        return UInt32(first)..<UInt32(count)
    }

    subscript(index: UInt32) -> Element { elements[Int(index)] }

    func contains(_ element: Element, in range: Range<UInt32>) -> Bool where Element: Equatable {
        for index in range where elements[Int(index)] == element { return true }
        return false
    }
}
