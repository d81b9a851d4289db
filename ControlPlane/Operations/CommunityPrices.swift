import Domain
import JSONText

/// One model of a price file in the community's format (LiteLLM's `model_prices_and_context_window.json`):
/// dollars per token, one object a model.
struct CommunityPrice: Equatable {
    /// What the provider calls it: without the vendor in front.
    let name: String
    let vendor: String
    let contextWindow: Int32?
    let maximumOutput: Int32?
    let capabilities: [ModelCapability]
    let source: String
    /// nil: the file has no price by the token.
    let table: PriceTable?

    /// Why an entry is left out.
    struct Skipped: Error, Equatable {
        let reason: String
    }

    init(_ key: String, _ entry: JSONValue) throws(Skipped) {
        guard entry.object != nil else { throw Skipped(reason: "is no object") }
        vendor = entry["litellm_provider"]?.string ?? ""
        let prefix = vendor + "/"
        name = key.hasPrefix(prefix) && !vendor.isEmpty ? String(key.dropFirst(prefix.utf8.count)) : key
        if let problem = TextRule.modelName.check(name, at: "") {
            throw Skipped(reason: "its name \(problem.message)")
        }
        contextWindow = Self.tokens(entry["max_input_tokens"] ?? entry["max_tokens"])
        maximumOutput = Self.tokens(entry["max_output_tokens"] ?? entry["max_tokens"])
        capabilities = Self.capabilities(entry)
        source = String((entry["source"]?.string ?? "").prefix(500))
        table = try Self.table(entry)
    }

    private static func tokens(_ value: JSONValue?) -> Int32? {
        guard let number = value?.exactInt64, (1...100_000_000).contains(number) else { return nil }
        return Int32(number)
    }

    private static let modes: [String: ModelCapability] = [
        "chat": .chat, "completion": .chat, "responses": .chat, "embedding": .embeddings,
        "moderation": .moderation, "image_generation": .imageOutput, "audio_speech": .audioOutput,
        "audio_transcription": .audioInput,
    ]
    private static let flags: [(String, ModelCapability)] = [
        ("supports_vision", .vision), ("supports_function_calling", .tools),
        ("supports_reasoning", .reasoning),
        ("supports_response_schema", .structuredOutput), ("supports_prompt_caching", .promptCaching),
        ("supports_audio_input", .audioInput), ("supports_audio_output", .audioOutput),
        ("supports_pdf_input", .documentInput), ("supports_web_search", .webSearch),
    ]

    private static func capabilities(_ entry: JSONValue) -> [ModelCapability] {
        let mode = entry["mode"]?.string.flatMap { modes[$0] }
        let found = flags.filter { entry[$0.0]?.boolean == true }.map(\.1) + (mode.map { [$0] } ?? [])
        return ModelCapability.allCases.filter(found.contains)
    }

    // MARK: Prices

    private static func table(_ entry: JSONValue) throws(Skipped) -> PriceTable? {
        guard entry["input_cost_per_token"] != nil || entry["output_cost_per_token"] != nil else {
            return nil
        }
        let base = try rates(entry, suffix: "", over: nil)
        var tiers: [PriceTier] = []
        for limit in Set((entry.object?.names ?? []).compactMap(limit)).sorted() {
            let rates = try rates(entry, suffix: "_above_\(limit / 1000)k_tokens", over: base)
            tiers.append(PriceTier(above: limit, rates: rates))
        }
        var batch: PriceRates?
        if entry["input_cost_per_token_batches"] != nil || entry["output_cost_per_token_batches"] != nil {
            let (input, output) = (
                try rate(entry, "input_cost_per_token_batches") ?? base.input,
                try rate(entry, "output_cost_per_token_batches") ?? base.output
            )
            batch = PriceRates(
                input: input, cachedInput: min(input, base.cachedInput), cacheWrite: input, output: output,
                reasoning: output)
        }
        guard let table = PriceTable(base: base, tiers: tiers, batch: batch) else {
            throw Skipped(reason: "has tiers beyond \(PriceTable.maximumTiers)")
        }
        return table
    }

    /// `input_cost_per_token_above_200k_tokens` is about calls above 200,000 tokens.
    private static func limit(_ name: String) -> Int64? {
        guard name.hasPrefix("input_cost_per_token_above_"), name.hasSuffix("k_tokens"),
            let thousands = Int64(name.dropFirst(27).dropLast(8)), (1...1_000_000).contains(thousands)
        else { return nil }
        return thousands * 1000
    }

    private static func rates(
        _ entry: JSONValue, suffix: String, over base: PriceRates?
    ) throws(Skipped) -> PriceRates {
        let input = try rate(entry, "input_cost_per_token\(suffix)") ?? base?.input ?? 0
        let output = try rate(entry, "output_cost_per_token\(suffix)") ?? base?.output ?? 0
        let rates = PriceRates(
            input: input,
            cachedInput: try rate(entry, "cache_read_input_token_cost\(suffix)") ?? input,
            cacheWrite: try rate(entry, "cache_creation_input_token_cost\(suffix)") ?? input,
            output: output,
            reasoning: try rate(entry, "output_cost_per_reasoning_token\(suffix)") ?? output)
        guard let rates else { throw Skipped(reason: "has a cost out of range") }
        return rates
    }

    /// Dollars per token as nano-USD per million tokens, exactly.
    private static func rate(_ entry: JSONValue, _ name: String) throws(Skipped) -> Int64? {
        guard let value = entry[name], !value.isNull else { return nil }
        guard let rate = value.number?.exactInt64(scaledBy: 15) else {
            throw Skipped(reason: "\(name) is no number with at most 15 decimals")
        }
        return rate
    }

    // MARK: Export

    /// The entry of a model in the community's format.
    static func entry(_ model: Model, vendor: String, _ table: PriceTable?) -> JSONValue {
        var object = JSONObject()
        object["litellm_provider"] = .string(vendor)
        let mode = modes.first { $0.key != "completion" && $0.key != "responses" && $0.value == model.mode }
        object["mode"] = .string(mode?.key ?? "chat")
        object["max_input_tokens"] = model.contextWindow.map { .number(JSONNumber(Int64($0))) }
        object["max_output_tokens"] = model.maximumOutput.map { .number(JSONNumber(Int64($0))) }
        if let table {
            write(table.base, suffix: "", into: &object)
            for tier in table.tiers {
                write(tier.rates, suffix: "_above_\(tier.above / 1000)k_tokens", into: &object)
            }
            if let batch = table.batch {
                object["input_cost_per_token_batches"] = cost(batch.input)
                object["output_cost_per_token_batches"] = cost(batch.output)
            }
        }
        for (name, capability) in flags where model.capabilities.contains(capability) { object[name] = true }
        if !model.source.isEmpty { object["source"] = .string(model.source) }
        return .object(object)
    }

    private static func write(_ rates: PriceRates, suffix: String, into object: inout JSONObject) {
        object["input_cost_per_token\(suffix)"] = cost(rates.input)
        object["output_cost_per_token\(suffix)"] = cost(rates.output)
        object["cache_read_input_token_cost\(suffix)"] = cost(rates.cachedInput)
        object["cache_creation_input_token_cost\(suffix)"] = cost(rates.cacheWrite)
        object["output_cost_per_reasoning_token\(suffix)"] = cost(rates.reasoning)
    }

    /// Both are whole numbers below 2⁵³, so the quotient's shortest text is the exact decimal.
    private static func cost(_ rate: Int64) -> JSONValue {
        JSONNumber(Double(rate) / 1e15).map { .number($0) } ?? .null
    }
}

extension Model {
    fileprivate var mode: ModelCapability { capabilities.first ?? .chat }
}

extension ProviderKind {
    /// Who offers its models, in the community's words; nil when that says nothing.
    package var communityVendor: String? {
        switch self {
        case .openAI: "openai"
        case .anthropic: "anthropic"
        case .gemini: "gemini"
        case .vertex: "vertex_ai-language-models"
        case .azureOpenAI: "azure"
        case .bedrock: "bedrock_converse"
        case .ollama: "ollama"
        case .openAICompatible: nil
        }
    }
}
