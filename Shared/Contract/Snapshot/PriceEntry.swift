package import Domain

/// What a model costs from a moment on. A snapshot carries the price in force and those that will follow, so
/// a node without its control plane changes price on time.
package struct PriceEntry: Hashable, Sendable, BinaryRecord {
    package let id: PriceID
    package let model: ModelID
    /// nil: owned by the platform.
    package let tenant: TenantID?
    package let effectiveFrom: Timestamp
    /// nil: until another one begins.
    package let effectiveUntil: Timestamp?
    package let table: PriceTable

    package init(
        id: PriceID, model: ModelID, tenant: TenantID?, effectiveFrom: Timestamp,
        effectiveUntil: Timestamp? = nil, table: PriceTable
    ) {
        self.id = id
        self.model = model
        self.tenant = tenant
        self.effectiveFrom = effectiveFrom
        self.effectiveUntil = effectiveUntil
        self.table = table
    }

    package init(id: PriceID, model: ModelID, tenant: TenantID?, effectiveFrom: Timestamp, rates: PriceRates)
    {
        self.init(
            id: id, model: model, tenant: tenant, effectiveFrom: effectiveFrom, table: PriceTable(rates))
    }

    package init(_ price: Price) {
        self.init(
            id: price.id, model: price.model, tenant: price.tenant, effectiveFrom: price.effectiveFrom,
            effectiveUntil: price.effectiveUntil, table: price.table)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, model)
        writer.id(3, tenant)
        writer.time(4, effectiveFrom)
        Self.encode(table.base, from: 5, into: &writer)
        for tier in table.tiers {
            writer.record(10) { inner in
                inner.signed(1, tier.above)
                Self.encode(tier.rates, from: 2, into: &inner)
            }
        }
        if let batch = table.batch {
            writer.record(11) { Self.encode(batch, from: 2, into: &$0) }
        }
        writer.time(12, effectiveUntil)
    }

    private static func encode(_ rates: PriceRates, from tag: UInt32, into writer: inout FieldWriter) {
        writer.signed(tag, rates.input)
        writer.signed(tag + 1, rates.cachedInput)
        writer.signed(tag + 2, rates.cacheWrite)
        writer.signed(tag + 3, rates.output)
        writer.signed(tag + 4, rates.reasoning)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: PriceID?
        var model: ModelID?
        var tenant: TenantID?
        var effectiveFrom: Timestamp?
        var effectiveUntil: Timestamp?
        var rates = RatesReader()
        var tiers: [PriceTier] = []
        var batch: PriceRates?
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: model = try field.id()
            case 3: tenant = try field.id()
            case 4: effectiveFrom = try field.time()
            case 5...9: try rates.take(field, from: 5)
            case 10: try tiers.append(Self.tier(field), upTo: PriceTable.maximumTiers, "tiers of a price")
            case 11: batch = try Self.tier(field).rates
            case 12: effectiveUntil = try field.time()
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.model = try Self.required(model, 2)
        self.tenant = tenant
        self.effectiveFrom = try Self.required(effectiveFrom, 4)
        self.effectiveUntil = effectiveUntil
        guard let table = PriceTable(base: try rates.rates(), tiers: tiers, batch: batch) else {
            throw .malformed("tiers that do not rise")
        }
        self.table = table
    }

    private static func tier(_ field: Field) throws(CodecError) -> PriceTier {
        var reader = try field.record()
        var above: Int64 = 0
        var rates = RatesReader()
        while let field = try reader.next() {
            switch field.tag {
            case 1: above = try field.signed()
            case 2...6: try rates.take(field, from: 2)
            default: continue
            }
        }
        return PriceTier(above: above, rates: try rates.rates())
    }

    /// Five rates as they are read; those that are not there are zero.
    private struct RatesReader {
        private var values: [Int64] = [0, 0, 0, 0, 0]

        mutating func take(_ field: Field, from first: UInt32) throws(CodecError) {
            values[Int(field.tag - first)] = try field.signed()
        }

        func rates() throws(CodecError) -> PriceRates {
            let checked = PriceRates(
                input: values[0], cachedInput: values[1], cacheWrite: values[2], output: values[3],
                reasoning: values[4])
            guard let checked else { throw .malformed("a rate out of range") }
            return checked
        }
    }
}
