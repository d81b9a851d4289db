package import Domain

/// What a node knows of a route: the name applications ask for and where it leads.
package struct RouteEntry: Hashable, Sendable, BinaryRecord {
    /// One target, in the order they are listed.
    package enum Step: Hashable, Sendable {
        case target(TargetEntry)
        case route(RouteID, TargetTerms)
    }

    package let id: RouteID
    package let tenant: TenantID
    package let name: String
    package let rules: RouteRules
    /// A route that is not cannot be asked for, and what leads to it leads nowhere.
    package let isEnabled: Bool
    package let steps: [Step]

    package init(
        id: RouteID, tenant: TenantID, name: String, rules: RouteRules = .standard, isEnabled: Bool = true,
        steps: [Step]
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.rules = rules
        self.isEnabled = isEnabled
        self.steps = steps
    }

    package init(
        id: RouteID, tenant: TenantID, name: String, rules: RouteRules = .standard, targets: [TargetEntry]
    ) {
        self.init(id: id, tenant: tenant, name: name, rules: rules, steps: targets.map { .target($0) })
    }

    package static let maximumName = TextRule.modelName.maximum

    /// Its own targets that are models.
    package var targets: [TargetEntry] {
        steps.compactMap { if case .target(let target) = $0 { target } else { nil } }
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.text(3, name)
        for step in steps {
            switch step {
            case .target(let target): writer.value(4, target)
            case .route(let route, let terms):
                writer.record(4) { inner in
                    terms.encode(into: &inner)
                    inner.id(6, route)
                }
            }
        }
        writer.flag(5, !isEnabled)
        rules.encode(from: 6, into: &writer)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: RouteID?
        var tenant: TenantID?
        var name: String?
        var steps: [Step] = []
        var isEnabled = true
        var rules = RouteRules.standard
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: name = try field.text(upTo: Self.maximumName)
            case 4: try steps.append(Self.step(field), upTo: Route.maximumTargets, "targets of a route")
            case 5: isEnabled = !(try field.flag())
            case 6...11: try rules.take(field, from: 6)
            default: continue
            }
        }
        self.init(
            id: try Self.required(id, 1), tenant: try Self.required(tenant, 2),
            name: try Self.required(name, 3), rules: rules, isEnabled: isEnabled, steps: steps)
    }

    private static func step(_ field: Field) throws(CodecError) -> Step {
        var reader = try field.record()
        while let inner = try reader.next() {
            guard inner.tag == 6 else { continue }
            var terms = try field.record()
            return .route(try inner.id(), try TargetTerms(from: &terms))
        }
        return .target(try TargetEntry(field))
    }
}

/// One provider's model inside a route, with what the node must know of the model.
package struct TargetEntry: Hashable, Sendable, BinaryRecord {
    package let provider: ProviderID
    package let model: ModelID
    /// What the provider calls the model.
    package let upstreamModel: String
    package let terms: TargetTerms
    /// Tokens it can read and write in one call; nil: not known.
    package let contextWindow: Int32?
    /// What it can do; empty: not known.
    package let capabilities: CapabilitySet

    package var weight: Int32 { terms.weight }
    package var priority: Int32 { terms.priority }

    package init(
        provider: ProviderID, model: ModelID, upstreamModel: String, terms: TargetTerms,
        contextWindow: Int32? = nil, capabilities: CapabilitySet = []
    ) {
        self.provider = provider
        self.model = model
        self.upstreamModel = upstreamModel
        self.terms = terms
        self.contextWindow = contextWindow
        self.capabilities = capabilities
    }

    package init(
        provider: ProviderID, model: ModelID, upstreamModel: String, weight: Int32 = 100, priority: Int32 = 0
    ) {
        self.init(
            provider: provider, model: model, upstreamModel: upstreamModel,
            terms: TargetTerms(weight: weight, priority: priority))
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, provider)
        writer.id(2, model)
        writer.text(3, upstreamModel)
        terms.encode(into: &writer)
        writer.signed(10, contextWindow ?? 0)
        writer.number(11, capabilities.rawValue)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var provider: ProviderID?
        var model: ModelID?
        var upstreamModel: String?
        var terms = TargetTerms(weight: 0, priority: 0)
        var contextWindow: Int32?
        var capabilities = CapabilitySet()
        while let field = try reader.next() {
            switch field.tag {
            case 1: provider = try field.id()
            case 2: model = try field.id()
            case 3: upstreamModel = try field.text(upTo: RouteEntry.maximumName)
            case 4...9: try terms.take(field)
            case 10: contextWindow = try field.signed()
            case 11: capabilities = CapabilitySet(rawValue: try field.number(upTo: .max))
            default: continue
            }
        }
        self.provider = try Self.required(provider, 1)
        self.model = try Self.required(model, 2)
        self.upstreamModel = try Self.required(upstreamModel, 3)
        self.terms = terms
        self.contextWindow = contextWindow
        self.capabilities = capabilities
    }
}
