/// A priced thing a provider offers.
package struct Model: Hashable, Sendable {
    package let id: ModelID
    package let provider: ProviderID
    /// The owner of the provider: nil for the platform.
    package let tenant: TenantID?
    /// What the provider calls it; unique in its provider.
    package var name: String
    package var displayName: String
    /// Tokens the model can read and write in one call; nil when unknown.
    package var contextWindow: Int32?
    package var maximumOutput: Int32?
    /// In the order of `allCases`; empty: not known.
    package var capabilities: [ModelCapability]
    /// Where its facts are from; empty: nobody said.
    package var source: String
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: ModelID, provider: ProviderID, tenant: TenantID?, name: String, displayName: String,
        contextWindow: Int32? = nil, maximumOutput: Int32? = nil, capabilities: [ModelCapability] = [],
        source: String = "", createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.provider = provider
        self.tenant = tenant
        self.name = name
        self.displayName = displayName
        self.contextWindow = contextWindow
        self.maximumOutput = maximumOutput
        self.capabilities = ModelCapability.allCases.filter(capabilities.contains)
        self.source = source
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static func problems(
        name: String, displayName: String, contextWindow: Int32?, maximumOutput: Int32?
    ) -> [ValidationError] {
        var found = [
            TextRule.modelName.check(name, at: "/name"),
            TextRule.displayName.check(displayName, at: "/display_name"),
        ].compactMap(\.self)
        for (pointer, value) in [("/context_window", contextWindow), ("/maximum_output", maximumOutput)] {
            guard let value, !(1...100_000_000).contains(value) else { continue }
            found.append(ValidationError(pointer, .outOfRange, "must be 1 to 100000000 tokens"))
        }
        return found
    }
}

/// The rates of a model from a moment on, until the next price of that model begins or it is ended. One that
/// has begun is never changed, only followed or ended: usage names it.
package struct Price: Hashable, Sendable {
    package let id: PriceID
    package let model: ModelID
    package let tenant: TenantID?
    package let table: PriceTable
    package let effectiveFrom: Timestamp
    /// nil: until another one begins.
    package var effectiveUntil: Timestamp?
    package let createdAt: Timestamp

    package init(
        id: PriceID, model: ModelID, tenant: TenantID?, table: PriceTable, effectiveFrom: Timestamp,
        effectiveUntil: Timestamp? = nil, createdAt: Timestamp
    ) {
        self.id = id
        self.model = model
        self.tenant = tenant
        self.table = table
        self.effectiveFrom = effectiveFrom
        self.effectiveUntil = effectiveUntil
        self.createdAt = createdAt
    }

    package init(
        id: PriceID, model: ModelID, tenant: TenantID?, rates: PriceRates, effectiveFrom: Timestamp,
        createdAt: Timestamp
    ) {
        self.init(
            id: id, model: model, tenant: tenant, table: PriceTable(rates), effectiveFrom: effectiveFrom,
            createdAt: createdAt)
    }

    /// The price in force at a moment: the latest that has begun, unless it was ended; nil before the first.
    /// Two that begin together: the one made later wins.
    package static func inForce(_ prices: some Sequence<Price>, at now: Timestamp) -> Price? {
        let latest = prices.filter { $0.effectiveFrom <= now }.max {
            ($0.effectiveFrom, $0.id) < ($1.effectiveFrom, $1.id)
        }
        return latest.flatMap { $0.effectiveUntil.map { now < $0 } ?? true ? latest : nil }
    }
}
