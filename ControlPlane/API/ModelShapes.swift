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
    static let shape = BodyShape(
        "NewModel", [provider, name, displayName, contextWindow, maximumOutput])
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
            .init("effective_from", .time, "From when it holds, until the model's next price begins.") {
                .text($0.effectiveFrom)
            },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
        ])

    private static func rate(
        _ name: String, _ summary: String, _ rate: @escaping @Sendable (PriceRates) -> Int64
    ) -> Member {
        Member(name, .money, "\(summary): dollars per million tokens.") {
            .string(PriceRates.text(rate($0.rates)))
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
    static let shape = BodyShape(
        "NewPrice", [input, cachedInput, cacheWrite, output, reasoning, effectiveFrom])

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
}

extension ModelBody {
    static func value(_ body: BodyValues) throws(OperationError) -> NewModel {
        let name = try body[name]
        return NewModel(
            provider: try body[provider], name: name, displayName: try body[displayName] ?? name,
            contextWindow: try body[contextWindow], maximumOutput: try body[maximumOutput])
    }
}
