/// Which providers; what is nil does not matter.
package struct ProviderFilter: Hashable, Sendable {
    package var name: String?
    package var kind: ProviderKind?
    package var isEnabled: Bool?

    package init(name: String? = nil, kind: ProviderKind? = nil, isEnabled: Bool? = nil) {
        self.name = name
        self.kind = kind
        self.isEnabled = isEnabled
    }
}

/// Which models; what is nil does not matter.
package struct ModelFilter: Hashable, Sendable {
    package var name: String?
    package var provider: ProviderID?
    package var capability: ModelCapability?

    package init(name: String? = nil, provider: ProviderID? = nil, capability: ModelCapability? = nil) {
        self.name = name
        self.provider = provider
        self.capability = capability
    }
}

/// Which routes; what is nil does not matter.
package struct RouteFilter: Hashable, Sendable {
    package var name: String?
    package var isEnabled: Bool?
    package var strategy: RouteStrategy?
    /// That have this model as a target of their own.
    package var model: ModelID?

    package init(
        name: String? = nil, isEnabled: Bool? = nil, strategy: RouteStrategy? = nil, model: ModelID? = nil
    ) {
        self.name = name
        self.isEnabled = isEnabled
        self.strategy = strategy
        self.model = model
    }
}
