package import Domain

/// What a node knows of a route: the name applications ask for and where it leads.
package struct RouteEntry: Hashable, Sendable, BinaryRecord {
    package let id: RouteID
    package let tenant: TenantID
    package let name: String
    package let targets: [TargetEntry]

    package init(id: RouteID, tenant: TenantID, name: String, targets: [TargetEntry]) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.targets = targets
    }

    package static let maximumName = TextRule.modelName.maximum

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.text(3, name)
        writer.values(4, targets)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: RouteID?
        var tenant: TenantID?
        var name: String?
        var targets: [TargetEntry] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: name = try field.text(upTo: Self.maximumName)
            case 4: try targets.append(TargetEntry(field), upTo: Route.maximumTargets, "targets of a route")
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.tenant = try Self.required(tenant, 2)
        self.name = try Self.required(name, 3)
        self.targets = targets
    }
}

/// One provider's model inside a route.
package struct TargetEntry: Hashable, Sendable, BinaryRecord {
    package let provider: ProviderID
    package let model: ModelID
    /// What the provider calls the model.
    package let upstreamModel: String
    package let weight: Int32
    package let priority: Int32

    package init(
        provider: ProviderID, model: ModelID, upstreamModel: String, weight: Int32 = 100, priority: Int32 = 0
    ) {
        self.provider = provider
        self.model = model
        self.upstreamModel = upstreamModel
        self.weight = weight
        self.priority = priority
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, provider)
        writer.id(2, model)
        writer.text(3, upstreamModel)
        writer.signed(4, weight)
        writer.signed(5, priority)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var provider: ProviderID?
        var model: ModelID?
        var upstreamModel: String?
        var weight: Int32 = 0
        var priority: Int32 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: provider = try field.id()
            case 2: model = try field.id()
            case 3: upstreamModel = try field.text(upTo: RouteEntry.maximumName)
            case 4: weight = try field.signed()
            case 5: priority = try field.signed()
            default: continue
            }
        }
        self.provider = try Self.required(provider, 1)
        self.model = try Self.required(model, 2)
        self.upstreamModel = try Self.required(upstreamModel, 3)
        self.weight = weight
        self.priority = priority
    }
}

/// The rates of a model from a moment on. A snapshot carries the price in force and those that will follow,
/// so a node without its control plane changes price on time.
package struct PriceEntry: Hashable, Sendable, BinaryRecord {
    package let id: PriceID
    package let model: ModelID
    /// nil: owned by the platform.
    package let tenant: TenantID?
    package let effectiveFrom: Timestamp
    package let rates: PriceRates

    package init(id: PriceID, model: ModelID, tenant: TenantID?, effectiveFrom: Timestamp, rates: PriceRates)
    {
        self.id = id
        self.model = model
        self.tenant = tenant
        self.effectiveFrom = effectiveFrom
        self.rates = rates
    }

    package init(_ price: Price) {
        self.init(
            id: price.id, model: price.model, tenant: price.tenant, effectiveFrom: price.effectiveFrom,
            rates: price.rates)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, model)
        writer.id(3, tenant)
        writer.time(4, effectiveFrom)
        writer.signed(5, rates.input)
        writer.signed(6, rates.cachedInput)
        writer.signed(7, rates.cacheWrite)
        writer.signed(8, rates.output)
        writer.signed(9, rates.reasoning)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: PriceID?
        var model: ModelID?
        var tenant: TenantID?
        var effectiveFrom: Timestamp?
        var rates: [Int64] = [0, 0, 0, 0, 0]
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: model = try field.id()
            case 3: tenant = try field.id()
            case 4: effectiveFrom = try field.time()
            case 5...9: rates[Int(field.tag) - 5] = try field.signed()
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.model = try Self.required(model, 2)
        self.tenant = tenant
        self.effectiveFrom = try Self.required(effectiveFrom, 4)
        let checked = PriceRates(
            input: rates[0], cachedInput: rates[1], cacheWrite: rates[2], output: rates[3],
            reasoning: rates[4])
        guard let checked else { throw .malformed("a rate out of range") }
        self.rates = checked
    }
}
