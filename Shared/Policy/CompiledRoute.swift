package import Contract
package import Domain

/// A provider of the snapshot. Its credential is still sealed.
package final class CompiledProvider: Sendable {
    package let entry: ProviderEntry
    package var id: ProviderID { entry.id }

    init(_ entry: ProviderEntry) { self.entry = entry }
}

/// One provider's model inside a route, with its provider and prices found.
package final class CompiledTarget: Sendable {
    package let entry: TargetEntry
    package let provider: CompiledProvider
    /// Oldest first.
    package let prices: [PriceEntry]
    /// The upstream model's name as a JSON string, quotes included: what is spliced into the body.
    package let upstreamModelJSON: [UInt8]

    init(_ entry: TargetEntry, provider: CompiledProvider, prices: [PriceEntry]) {
        self.entry = entry
        self.provider = provider
        self.prices = prices
        // Model names have no character that JSON escapes; validation saw to it.
        upstreamModelJSON = Array("\"\(entry.upstreamModel)\"".utf8)
    }

    /// The price in force at a moment; nil when none has begun.
    package func price(at now: Timestamp) -> PriceEntry? { prices.last { $0.effectiveFrom <= now } }
}

/// A route, ready to be planned.
package final class CompiledRoute: Sendable {
    package let id: RouteID
    package let tenant: TenantID
    package let name: String
    let nameBytes: [UInt8]
    /// By priority, the lowest number first; inside one, as configured.
    package let targets: [CompiledTarget]

    init(_ entry: RouteEntry, targets: [CompiledTarget]) {
        id = entry.id
        tenant = entry.tenant
        name = entry.name
        nameBytes = Array(entry.name.utf8)
        // A stable sort by hand: the standard one promises nothing about equals.
        self.targets = targets.enumerated()
            .sorted { ($0.element.entry.priority, $0.offset) < ($1.element.entry.priority, $1.offset) }
            .map(\.element)
    }
}

/// A tenant of the snapshot, its routes found by the bytes of their names.
package final class CompiledTenant: Sendable {
    package let id: TenantID
    package let isSuspended: Bool
    /// In the order of names.
    package let routes: [CompiledRoute]
    let workspaces: Set<WorkspaceID>
    let limits: TenantLimits
    // Positions in `routes` plus one, 0 is vacant; open addressing, at most half full.
    private let slots: [UInt32]

    init(
        _ entry: TenantEntry, routes: [CompiledRoute], workspaces: Set<WorkspaceID>,
        limits: TenantLimits = .none
    ) {
        id = entry.id
        isSuspended = entry.isSuspended
        self.routes = routes.sorted { $0.nameBytes.lexicographicallyPrecedes($1.nameBytes) }
        self.workspaces = workspaces
        self.limits = limits
        var slots = [UInt32](repeating: 0, count: 2)
        while slots.count < routes.count * 2 { slots += slots }
        for (index, route) in self.routes.enumerated() {
            var slot = route.nameBytes.withUnsafeBytes { Self.hash($0) } & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index + 1)
        }
        self.slots = slots
    }

    /// The route of a name given as UTF-8 bytes; no string is made.
    package func route(named name: UnsafeRawBufferPointer) -> CompiledRoute? {
        guard (1...RouteEntry.maximumName).contains(name.count) else { return nil }
        var slot = Self.hash(name) & (slots.count - 1)
        while slots[slot] != 0 {
            let route = routes[Int(slots[slot]) - 1]
            if route.nameBytes.count == name.count, route.nameBytes.elementsEqual(name) { return route }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    package func route(named name: String) -> CompiledRoute? {
        var name = name
        return name.withUTF8 { route(named: UnsafeRawBufferPointer($0)) }
    }

    /// FNV-1a. Names are chosen by administrators, so nobody gains by making them collide.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & 0xFFFF_FFFF)
    }
}
