package import Contract
package import Domain

/// A provider of the snapshot. Its credential is still sealed.
package final class CompiledProvider: Sendable {
    package let entry: ProviderEntry
    package var id: ProviderID { entry.id }

    init(_ entry: ProviderEntry) { self.entry = entry }
}

/// One provider's model that a route leads to, with its provider and prices found.
package final class CompiledTarget: Sendable {
    package let entry: TargetEntry
    package let provider: CompiledProvider
    /// Oldest first.
    package let prices: [PriceEntry]
    /// What the tenant pays on top of the platform's prices.
    package let markup: Markup
    /// The upstream model's name as a JSON string, quotes included: what is spliced into the body.
    package let upstreamModelJSON: [UInt8]
    /// What it is for, by all routes on the way to it.
    package let use: TargetUse
    /// Members of the request's body it sets. Of routes on the way to it the outermost has the last word.
    package let parameters: [TargetParameter]
    /// What a call must meet; of all routes on the way to it.
    let conditions: [TargetConditions]
    /// One of the routes inside the route, on the way to it, is disabled.
    let isCutOff: Bool

    init(
        _ entry: TargetEntry, provider: CompiledProvider, prices: [PriceEntry], markup: Markup = .none,
        way: RouteWay = RouteWay()
    ) {
        self.entry = entry
        self.provider = provider
        self.prices = prices
        self.markup = markup
        // Model names have no character that JSON escapes; validation saw to it.
        upstreamModelJSON = Array("\"\(entry.upstreamModel)\"".utf8)
        let whole = way.through(entry.terms)
        use = whole.use ?? .traffic
        parameters = whole.parameters
        conditions = whole.conditions
        isCutOff = way.isCutOff
    }

    /// The price in force at a moment; nil when none has begun, or the last one was ended.
    package func price(at now: Timestamp) -> PriceEntry? { priceIndex(at: now).map { prices[$0] } }

    private func priceIndex(at now: Timestamp) -> Int? {
        var index = prices.count - 1
        while index >= 0, prices[index].effectiveFrom > now { index -= 1 }
        if index < 0 { return nil }
        if let end = prices[index].effectiveUntil, end <= now { return nil }
        return index
    }

    /// What a usage costs by the price in force at a moment; nil when there is none. Copies no price.
    package func charge(for usage: TokenUsage, at now: Timestamp) -> (price: PriceID, cost: NanoUSD)? {
        guard let index = priceIndex(at: now) else { return nil }
        let cost = prices[index].table.cost(of: usage)
        return (prices[index].id, owed(cost, to: prices[index].tenant))
    }

    /// What a usage costs the tenant by a price: the platform's prices carry the tenant's markup, its own do
    /// not.
    package func cost(of usage: TokenUsage, by price: PriceEntry, isBatch: Bool = false) -> NanoUSD {
        owed(price.table.cost(of: usage, isBatch: isBatch), to: price.tenant)
    }

    /// What the tenant owes for a cost by a price of this owner; nil: the platform's.
    func owed(_ cost: NanoUSD, to owner: TenantID?) -> NanoUSD {
        owner == nil ? markup.applied(to: cost) : cost
    }
}

/// What the routes on the way to a target ask for.
struct RouteWay {
    /// nil: two on the way say different things, so there is no call for it.
    private(set) var use: TargetUse? = .traffic
    private(set) var conditions: [TargetConditions] = []
    private(set) var parameters: [TargetParameter] = []
    var isCutOff = false

    /// The way a step further.
    func through(_ terms: TargetTerms) -> RouteWay {
        var way = self
        if terms.use != .traffic, use != terms.use { way.use = use == .traffic ? terms.use : nil }
        if terms.conditions != .none { way.conditions.append(terms.conditions) }
        way.parameters += terms.parameters.filter { new in !parameters.contains { $0.name == new.name } }
        return way
    }
}

/// Among what a route chooses at one of its levels.
struct RouteChoice: Sendable {
    enum Kind: Sendable {
        /// A position in the route's targets.
        case target(Int)
        /// A position in the route's levels.
        case level(Int)
    }

    let kind: Kind
    let weight: UInt64
    let priority: Int32
    /// The targets it leads to: one bit each.
    let targets: UInt32
    /// Says the same on every node and in every snapshot.
    let identity: UInt64
}

/// One route's own targets: by priority, the lowest number first; inside one, as listed.
struct RouteLevel: Sendable {
    let strategy: RouteStrategy
    let choices: [RouteChoice]
}

/// What a route needs to know about calls and targets to choose; the rest need not be found out.
package struct RouteInterests: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// How much a call reads, and may write.
    package static let size = RouteInterests(rawValue: 1)
    /// What a call needs its model to do.
    package static let needs = RouteInterests(rawValue: 2)
    package static let session = RouteInterests(rawValue: 4)
    package static let promptPrefix = RouteInterests(rawValue: 8)
    /// How the targets are.
    package static let health = RouteInterests(rawValue: 16)
    /// Which call of the route this is.
    package static let turn = RouteInterests(rawValue: 32)
    /// What has to be found out by reading the call.
    package static let ofCall = RouteInterests(rawValue: 1 | 2 | 4 | 8)
}

/// A route, ready to be planned: the routes inside it are part of it.
package final class CompiledRoute: Sendable {
    package let id: RouteID
    package let tenant: TenantID
    package let name: String
    let nameBytes: [UInt8]
    package let rules: RouteRules
    /// All it leads to, those of the routes inside it too. At each level by priority, then as listed.
    package let targets: [CompiledTarget]
    /// The first is its own.
    let levels: [RouteLevel]
    package let interests: RouteInterests
    /// Some of its targets get copies of calls.
    package let isMirrored: Bool
    /// Of everything that decides what it answers, for routes with a cache; else 0.
    package let fingerprint: UInt64

    init(_ entry: RouteEntry, targets: [CompiledTarget], levels: [RouteLevel]) {
        id = entry.id
        tenant = entry.tenant
        name = entry.name
        nameBytes = Array(entry.name.utf8)
        rules = entry.rules
        self.targets = targets
        self.levels = levels
        isMirrored = targets.contains { $0.use == .shadow }
        fingerprint = entry.rules.cache == nil ? 0 : Self.fingerprint(entry, targets)
        var interests: RouteInterests = targets.count > 1 ? .health : []
        for target in targets {
            let conditions = target.conditions
            if targets.count > 1 && target.entry.contextWindow != nil
                || conditions.contains(where: { $0.minimumInput > 0 || $0.maximumInput != nil })
            {
                interests.insert(.size)
            }
            if targets.count > 1 && !target.entry.capabilities.isEmpty
                || conditions.contains(where: { !$0.needs.isEmpty })
            {
                interests.insert(.needs)
            }
        }
        for level in levels where level.choices.count > 1 {
            switch level.strategy {
            case .affinity: interests.insert(entry.rules.affinity == .session ? .session : .promptPrefix)
            case .cheapest: interests.insert(.size)
            case .roundRobin: interests.insert(.turn)
            case .weighted, .priority, .leastLatency, .leastBusy: break
            }
        }
        self.interests = interests
    }

    /// Of the route and of all it leads to.
    private static func fingerprint(_ entry: RouteEntry, _ targets: [CompiledTarget]) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(entry)
        for target in targets {
            hasher.combine(target.entry)
            hasher.combine(target.parameters)
            hasher.combine(target.use)
        }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// A tenant of the snapshot, its routes found by the bytes of their names.
package final class CompiledTenant: Sendable {
    package let id: TenantID
    package let isSuspended: Bool
    /// Where its calls may be served; nil: anywhere.
    let region: String?
    /// Of how many calls in a hundred what is said is kept.
    package let contentPercent: UInt8
    /// In the order of names.
    package let routes: [CompiledRoute]
    let workspaces: Set<WorkspaceID>
    let limits: TenantLimits
    private let passages: [String: CompiledRoute]
    package let guardrails: [CompiledGuardrail]
    // Positions in `routes` plus one, 0 is vacant; open addressing, at most half full.
    private let slots: [UInt32]

    init(
        _ entry: TenantEntry, routes: [CompiledRoute], workspaces: Set<WorkspaceID>,
        limits: TenantLimits = .none, guardrails: [CompiledGuardrail] = [], providers: [CompiledProvider] = []
    ) {
        id = entry.id
        passages = Self.passages(to: providers, of: entry.id)
        isSuspended = entry.isSuspended
        region = entry.region
        contentPercent = entry.contentPercent
        self.routes = routes.sorted { $0.nameBytes.lexicographicallyPrecedes($1.nameBytes) }
        self.workspaces = workspaces
        self.limits = limits
        self.guardrails = guardrails
        var slots = [UInt32](repeating: 0, count: 2)
        while slots.count < routes.count * 2 { slots += slots }
        for (index, route) in self.routes.enumerated() {
            var slot = route.nameBytes.withUnsafeBytes { Self.hash($0) } & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index + 1)
        }
        self.slots = slots
    }

    /// The way to one of its own providers, by the provider's name.
    func passage(to provider: String) -> CompiledRoute? { passages[provider] }

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
