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
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: ModelID, provider: ProviderID, tenant: TenantID?, name: String, displayName: String,
        contextWindow: Int32? = nil, maximumOutput: Int32? = nil, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.provider = provider
        self.tenant = tenant
        self.name = name
        self.displayName = displayName
        self.contextWindow = contextWindow
        self.maximumOutput = maximumOutput
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

/// The rates of a model from a moment on, until the next price of that model begins. Never changed, only
/// followed.
package struct Price: Hashable, Sendable {
    package let id: PriceID
    package let model: ModelID
    package let tenant: TenantID?
    package let rates: PriceRates
    package let effectiveFrom: Timestamp
    package let createdAt: Timestamp

    package init(
        id: PriceID, model: ModelID, tenant: TenantID?, rates: PriceRates, effectiveFrom: Timestamp,
        createdAt: Timestamp
    ) {
        self.id = id
        self.model = model
        self.tenant = tenant
        self.rates = rates
        self.effectiveFrom = effectiveFrom
        self.createdAt = createdAt
    }

    /// The price in force at a moment: the latest that has begun; nil before the first. Two that begin
    /// together: the one made later wins.
    package static func inForce(_ prices: some Sequence<Price>, at now: Timestamp) -> Price? {
        prices.filter { $0.effectiveFrom <= now }.max {
            ($0.effectiveFrom, $0.id) < ($1.effectiveFrom, $1.id)
        }
    }
}
