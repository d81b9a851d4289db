import Domain
import JSONText
import Operations

extension Representation<Model> {
    static let model = Representation(
        "Model",
        [
            .init("id", .id(Model.self), "Never changes.") { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose it is; null: the platform's, shared by all.")
            {
                .optional($0.tenant)
            },
            .init("provider", .id(Provider.self), "Who offers it.") { .text($0.provider) },
            .init("name", .text(1...128), "What the provider calls it.") { .string($0.name) },
            .init("display_name", .text(1...200), "Name for people.") { .string($0.displayName) },
            .init(
                "context_window", .nullable(.integer(1...100_000_000)),
                "Tokens it can read and write in a call."
            ) {
                .optional($0.contextWindow)
            },
            .init("maximum_output", .nullable(.integer(1...100_000_000)), "Tokens it can write in a call.") {
                .optional($0.maximumOutput)
            },
            .init(
                "capabilities",
                .list(.words(ModelCapability.allCases.map(\.rawValue)), maximumCount: 32),
                "What it can do; empty: not known."
            ) { .array($0.capabilities.map { .string($0.rawValue) }) },
            .init("source", .text(0...512), "Where these facts are from; may be empty.") {
                .string($0.source)
            },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The body that makes a model.
enum ModelBody {
    static let provider = Field<ProviderID>.required("provider", .id(), "Who offers it.")
    static let name = Field<String>.required(
        "name", .text(.modelName, example: "gpt-4o-mini"), "What the provider calls it.")
    static let displayName = Field<String?>.optional(
        "display_name", .text(.displayName), "Name for people; missing: the name.")
    static let contextWindow = Field<Int32?>.optional(
        "context_window", .integer(1...100_000_000), "Tokens it can read and write in a call.")
    static let maximumOutput = Field<Int32?>.optional(
        "maximum_output", .integer(1...100_000_000), "Tokens it can write in a call.")
    static let capabilities = Field<[ModelCapability]>.defaulted(
        "capabilities", .capabilities, to: [], "What it can do.")
    static let source = Field<String>.defaulted(
        "source", .anyText(0...512), to: "", "Where these facts are from.")
    static let shape = BodyShape(
        "NewModel", [provider, name, displayName, contextWindow, maximumOutput, capabilities, source])
}

/// The body that changes a model; what is missing stays.
enum ModelChangeBody {
    static let name = Field<String?>.change("name", .text(.modelName), "What the provider calls it.")
    static let displayName = Field<String?>.change("display_name", .text(.displayName), "Name for people.")
    static let contextWindow = Field<Edit<Int32>>.edit(
        "context_window", .integer(1...100_000_000), "Tokens it can read and write in a call.")
    static let maximumOutput = Field<Edit<Int32>>.edit(
        "maximum_output", .integer(1...100_000_000), "Tokens it can write in a call.")
    static let capabilities = Field<[ModelCapability]?>.change(
        "capabilities", .capabilities, "All it can do.")
    static let source = Field<String?>.change("source", .anyText(0...512), "Where its facts are from.")
    static let shape = BodyShape(
        "ModelChange", [name, displayName, contextWindow, maximumOutput, capabilities, source])

    static func value(_ body: BodyValues) throws(OperationError) -> ModelChange {
        var change = ModelChange()
        change.name = try body[name]
        change.displayName = try body[displayName]
        change.contextWindow = try body[contextWindow]
        change.maximumOutput = try body[maximumOutput]
        change.capabilities = try body[capabilities]
        change.source = try body[source]
        return change
    }
}

/// The filters of a list of models.
enum ModelQuery {
    private static let name = Field<String?>.optional("name", .text(.modelName), "Only models of this name.")
    private static let provider = Field<ProviderID?>.optional(
        "provider", .id(), "Only what this provider offers.")
    private static let capability = Field<ModelCapability?>.optional(
        "capability", .word(), "Only models known to be able to do this.")
    static let fields: [any AnyField] = [name, provider, capability, Paging.namePrefix]

    static func value(_ query: BodyValues) throws(OperationError) -> ModelFilter {
        ModelFilter(name: try query[name], provider: try query[provider], capability: try query[capability])
    }
}

extension Reader where Value == [ModelCapability] {
    static let capabilities = Reader.list(of: .word(), 0...ModelCapability.allCases.count)
}

extension Representation<Price> {
    static let price = Representation(
        "Price",
        [
            .init("id", .id(Price.self), "Never changes; usage names the price it was rated with.") {
                .text($0.id)
            },
            .init("model", .id(Model.self), "What it is the price of.") { .text($0.model) },
            .init("currency", .words(["USD"]), "Of all amounts.") { _ in "USD" },
            rate(PriceBody.input.name, "Input read afresh") { $0.input },
            rate(PriceBody.cachedInput.name, "Input read from the provider's cache") { $0.cachedInput },
            rate(PriceBody.cacheWrite.name, "Input written into the provider's cache") { $0.cacheWrite },
            rate(PriceBody.output.name, "Output") { $0.output },
            rate(PriceBody.reasoning.name, "Output spent on reasoning") { $0.reasoning },
            .init(
                "tiers", .list(.object(PriceBody.tierShape.schema), maximumCount: PriceTable.maximumTiers),
                "For calls that read more than so many tokens: all of their tokens."
            ) { .array($0.table.tiers.map(PriceBody.json)) },
            .init(
                "batch", .nullable(.object(PriceBody.ratesShape.schema)),
                "For calls that may wait; null: as usual ones."
            ) { $0.table.batch.map { .object(PriceBody.json($0)) } ?? .null },
            .init("effective_from", .time, "From when it holds, until the model's next price begins.") {
                .text($0.effectiveFrom)
            },
            .init("effective_until", .nullable(.time), "When it was ended, or will; null: it was not.") {
                .optional($0.effectiveUntil)
            },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
        ])

    private static func rate(
        _ name: String, _ summary: String, _ rate: @escaping @Sendable (PriceRates) -> Int64
    ) -> Member {
        Member(name, .money, "\(summary): dollars per million tokens.") {
            .string(PriceRates.text(rate($0.table.base)))
        }
    }
}

/// The body that gives a model a price.
enum PriceBody {
    static let input = Field<Int64>.required("input", .rate, "Dollars per million tokens of input.")
    static let cachedInput = Field<Int64?>.optional(
        "cached_input", .rate, "Of input read from the provider's cache; missing: as input.")
    static let cacheWrite = Field<Int64?>.optional(
        "cache_write", .rate, "Of input written into the provider's cache; missing: as input.")
    static let output = Field<Int64>.required("output", .rate, "Dollars per million tokens of output.")
    static let reasoning = Field<Int64?>.optional(
        "reasoning", .rate, "Of output spent on reasoning; missing: as output.")
    static let effectiveFrom = Field<Timestamp?>.optional(
        "effective_from", .time, "From when it holds; missing: from now.")
    static let above = Field<Int64>.required(
        "above", .integer(1...TokenUsage.maximumTokens), "Tokens of input.")
    static let ratesShape = BodyShape("PriceRates", [input, cachedInput, cacheWrite, output, reasoning])
    static let tierShape = BodyShape(
        "PriceTier", [above, input, cachedInput, cacheWrite, output, reasoning])
    static let tiers = Field<[PriceTier]>.defaulted(
        "tiers",
        .list(
            of: .object(tierShape) { values throws(OperationError) in
                PriceTier(above: try values[above], rates: try rates(values))
            }, 0...PriceTable.maximumTiers), to: [],
        "For calls that read more than so many tokens, all of their tokens; by rising limits.")
    static let batch = Field<PriceRates?>.optional(
        "batch", .object(ratesShape) { values throws(OperationError) in try rates(values) },
        "For calls that may wait.")
    static let shape = BodyShape(
        "NewPrice", [input, cachedInput, cacheWrite, output, reasoning, tiers, batch, effectiveFrom])

    /// The rates of a body; each is in range, since its reader checked it.
    static func rates(_ body: BodyValues) throws(OperationError) -> PriceRates {
        let (input, output) = (try body[input], try body[output])
        let rates = PriceRates(
            input: input, cachedInput: try body[cachedInput] ?? input,
            cacheWrite: try body[cacheWrite] ?? input, output: output,
            reasoning: try body[reasoning] ?? output)
        guard let rates else { throw .fault("rates out of range after a check of each") }
        return rates
    }

    static func table(_ body: BodyValues) throws(OperationError) -> PriceTable {
        let table = PriceTable(
            base: try rates(body), tiers: try body[tiers], batch: try body[batch])
        guard let table else {
            throw .invalid([ValidationError("/tiers", .outOfRange, "must have rising limits")])
        }
        return table
    }

    static func json(_ rates: PriceRates) -> JSONObject {
        var object = JSONObject()
        object[input.name] = .string(PriceRates.text(rates.input))
        object[cachedInput.name] = .string(PriceRates.text(rates.cachedInput))
        object[cacheWrite.name] = .string(PriceRates.text(rates.cacheWrite))
        object[output.name] = .string(PriceRates.text(rates.output))
        object[reasoning.name] = .string(PriceRates.text(rates.reasoning))
        return object
    }

    static func json(_ tier: PriceTier) -> JSONValue {
        var object = json(tier.rates)
        object[above.name] = .integer(tier.above)
        return .object(object)
    }
}

/// The body that ends a price.
enum PriceEndBody {
    static let effectiveUntil = Field<Timestamp?>.optional(
        "effective_until", .time, "Until when it holds; missing: until now.")
    static let shape = BodyShape("PriceEnd", [effectiveUntil])
}

extension Representation<Markup> {
    static let markup = Representation(
        "Markup",
        [
            .init("percent", .text(1...8), "On top of the platform's prices, as a decimal text.") {
                .string($0.percent)
            }
        ])
}

/// The body that sets a tenant's markup.
enum MarkupBody {
    static let percent = Field<Markup>.required(
        "percent", .markup, "On top of the platform's prices: 0 to 1000, at most two decimals.")
    static let shape = BodyShape("MarkupChange", [percent])
}

extension Reader where Value == Markup {
    static let markup = Reader(.text(TextSchema(1...8, example: "12.5"))) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        guard let markup = Markup(percent: text) else {
            throw InvalidInput(
                .outOfRange, "must be a percentage from 0 to 1000 with at most two decimals, as in \"12.5\"")
        }
        return markup
    }
}

/// The body that imports models and prices.
enum PriceImportBody {
    /// A document's quotes and line ends are two bytes each in a body. Unit: bytes.
    static let maximumBytes = 2 * PriceImportOperations.documentLengths.upperBound

    static let provider = Field<ProviderID>.required("provider", .id(), "Whose models they become.")
    static let document = Field<String?>.optional(
        "document", .anyText(PriceImportOperations.documentLengths),
        "The text of a price file in the community's format (model_prices_and_context_window.json), of all "
            + "vendors or a part, with at most \(PriceImportOperations.maximumModels) models of the vendor; "
            + "missing: the catalogue of this release.")
    static let vendor = Field<String?>.optional(
        "vendor", .text(.label),
        "Whose models to take, by the file's litellm_provider; missing: that of the provider's kind.")
    static let effectiveFrom = Field<Timestamp?>.optional(
        "effective_from", .time, "From when new prices hold; missing: from now.")
    static let dryRun = Field<Bool>.defaulted(
        "preview", .flag, to: false, "Only say what would be done.")
    static let shape = BodyShape("PriceImport", [provider, document, vendor, effectiveFrom, dryRun])

    static func value(_ body: BodyValues) throws(OperationError) -> PriceImport {
        PriceImport(
            provider: try body[provider], document: try body[document], vendor: try body[vendor],
            effectiveFrom: try body[effectiveFrom], isDryRun: try body[dryRun])
    }
}

extension Representation<PriceImportReport> {
    static let priceImportReport = Representation(
        "PriceImportReport",
        [
            .init("applied", .boolean, "Whether it was done; false: a preview.") { .boolean($0.isApplied) },
            .init("created", .count, "Models that were not there.") { .integer($0.count(.created)) },
            .init("updated", .count, "Models whose facts differed.") { .integer($0.count(.updated)) },
            .init("unchanged", .count, "Models that were right already.") { .integer($0.count(.unchanged)) },
            .init("skipped", .count, "Entries that could not be taken.") { .integer($0.count(.skipped)) },
            .init("other_vendors", .count, "Entries of other vendors, which are passed over.") {
                .integer($0.otherVendors)
            },
            .init("priced", .count, "Models that get a new price.") { .integer($0.priced) },
            .init(
                "models", .list(line, maximumCount: PriceImportOperations.maximumModels),
                "Each entry of the vendor."
            ) {
                .array(
                    $0.lines.map {
                        [
                            "model": .string($0.model), "action": .string($0.action.rawValue),
                            "priced": .boolean($0.isPriced), "note": .string($0.note),
                        ]
                    })
            },
        ])

    private static let line = Schema.object(
        ObjectSchema(
            name: "PriceImportLine",
            members: [
                MemberSchema(
                    name: "model", schema: .text(0...512), isRequired: true,
                    summary: "Its name in the file."),
                MemberSchema(
                    name: "action", schema: .words(PriceImportReport.Action.allCases.map(\.rawValue)),
                    isRequired: true, summary: "What becomes of it."),
                MemberSchema(
                    name: "priced", schema: .boolean, isRequired: true, summary: "Whether it gets a price."),
                MemberSchema(
                    name: "note", schema: .text(0...1000), isRequired: true,
                    summary: "Why it is skipped, or its price before and after; may be empty."),
            ]))
}

extension ModelBody {
    static func value(_ body: BodyValues) throws(OperationError) -> NewModel {
        let name = try body[name]
        return NewModel(
            provider: try body[provider], name: name, displayName: try body[displayName] ?? name,
            contextWindow: try body[contextWindow], maximumOutput: try body[maximumOutput],
            capabilities: try body[capabilities], source: try body[source])
    }
}
