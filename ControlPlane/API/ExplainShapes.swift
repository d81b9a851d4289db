import Contract
import Domain
import JSONText
import Operations
import Policy

/// The body that asks what becomes of a call.
enum ExplainBody {
    static let key = Field<ExplainRequest.KeyName>.required(
        "key", .keyName, "The key, by its ID or by the public part of its text (ek_ and 16 characters).")
    static let model = Field<String>.required(
        "model", .anyText(1...RouteEntry.maximumName), "The model name the call asks for.")
    static let endpoint = Field<Endpoint>.defaulted(
        "endpoint", .word(Endpoint.allCases.map { ($0.name, $0) }), to: .chat, "The kind of call.")
    static let address = Field<NetworkAddress?>.optional(
        "address", .networkAddress, "Where the call comes from; missing: not known.")
    static let region = Field<String?>.optional(
        "region", .text(.slug), "Where the node stands; missing: where the tenant's calls may be served.")
    static let inputTokens = Field<Int64>.defaulted(
        "input_tokens", .integer(0...TokenUsage.maximumTokens), to: 1000, "How much it reads.")
    static let outputTokens = Field<Int64>.defaulted(
        "maximum_output", .integer(0...TokenUsage.maximumTokens), to: 1000, "How much it writes at most.")
    static let bodyBytes = Field<Int64?>.optional(
        "body_bytes", .integer(0...4 * TokenUsage.maximumTokens),
        "How long the request is: a strict budget holds a token for each byte; missing: four for each token.")
    static let needs = Field<[ModelCapability]>.defaulted(
        "needs", .capabilities, to: [], "What the model must be able to do.")
    static let shape = BodyShape(
        "ExplainRequest",
        [key, model, endpoint, address, region, inputTokens, outputTokens, bodyBytes, needs])

    static func value(_ body: BodyValues) throws(OperationError) -> ExplainRequest {
        ExplainRequest(
            key: try body[key], model: try body[model], endpoint: try body[endpoint],
            address: try body[address], region: try body[region],
            inputTokens: try body[inputTokens], outputTokens: try body[outputTokens],
            bodyBytes: try body[bodyBytes], needs: try body[needs])
    }
}

extension Reader where Value == ExplainRequest.KeyName {
    static let keyName = Reader(.text(1...64)) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        if let id = KeyID(text) { return .id(id) }
        // A whole key's text is not taken: secrets do not belong into requests that need none.
        if text.hasPrefix("ek_"), let id = KeyPublicID(String(text.dropFirst(3))) { return .publicID(id) }
        throw InvalidInput(
            .invalidFormat, "must be a key's ID (key_…) or its text's public part: ek_ and 16 characters"
        )
    }
}

extension Reader where Value == NetworkAddress {
    static let networkAddress = Reader(.text(2...45)) { json throws(InvalidInput) in
        guard let text = json.string, let address = NetworkAddress(text) else {
            throw InvalidInput(.invalidFormat, "must be an IPv4 or IPv6 address")
        }
        return address
    }
}

extension Representation<ExplainedRequest> {
    static let explanation = Representation(
        "Explanation",
        [
            .init(
                "admitted", .boolean,
                "Whether a node would make the call, as far as can be known here: rates, and what calls "
                    + "under way hold of budgets, only nodes know."
            ) { .boolean($0.code == nil) },
            .init("code", .nullable(.text(1...64)), "What it would be refused with; null: nothing.") {
                .optional($0.code?.code)
            },
            .init("status", .nullable(.integer(400...599)), "The status of that answer.") {
                .optional($0.code?.status)
            },
            .init("message", .nullable(.text(1...500)), "The same in words.") {
                .optional($0.code?.safeText)
            },
            .init(
                "use", .nullable(.words(TargetUse.allCases.map(\.rawValue))),
                "Of the targets it goes to: 'budget' where a budget does not bear the usual ones; null: it "
                    + "is refused."
            ) { .optional($0.code == nil ? $0.use.rawValue : nil) },
            .init("key", .id(Key.self), "The key.") { .text($0.key.id) },
            .init(
                "standing", .nullable(.words(KeyStanding.allCases.map(\.rawValue))),
                "Whether the key may be used now; null: it ended so long ago that nodes have forgotten it."
            ) { .optional($0.explanation.standing?.rawValue) },
            .init("route", .nullable(.id(Domain.Route.self)), "The route of this name; null: there is none.")
            {
                .optional($0.explanation.route)
            },
            .init(
                "strategy", .nullable(.words(RouteStrategy.allCases.map(\.rawValue))),
                "How the route chooses among targets of the same priority; null: there is no route."
            ) { .optional($0.explanation.rules?.strategy.rawValue) },
            .init(
                "limits", .list(ExplainedLimitShape.schema, maximumCount: 1000),
                "The limits and budgets the call counts in: the tenant's, the workspace's, those of the "
                    + "owner's groups, the owner's, the key's own; one that is parted by tag once for each "
                    + "of the call's tags."
            ) { .array($0.limits.map(ExplainedLimitShape.json)) },
            .init(
                "guardrails", .list(guardrail, maximumCount: Guardrail.maximumOfTenant),
                "The guardrails that look at the call."
            ) { .array($0.explanation.guardrails.map(json)) },
            .init(
                "targets", .list(target, maximumCount: Domain.Route.maximumTargets),
                "By use; those of each in the order they are tried, those of routes inside the route in "
                    + "their places, then those left out. What is drawn by weight at each call stands by "
                    + "weight, and latencies and loads are taken as equal: only nodes know them."
            ) { explained in .array(explained.explanation.targets.map { json($0, explained.names) }) },
        ])

    private static func json(
        _ target: Explanation.Target, _ names: [ProviderID: String]
    ) -> JSONValue {
        func rate(_ rate: Int64?) -> JSONValue { rate.map { .string(PriceRates.text($0)) } ?? .null }
        return [
            "use": .string(target.use.rawValue), "position": .optional(target.position),
            "left_out": .optional(target.exclusion?.rawValue),
            "provider": .text(target.entry.provider),
            "provider_name": .string(names[target.entry.provider] ?? ""),
            "model": .text(target.entry.model), "upstream_model": .string(target.entry.upstreamModel),
            "priority": .integer(target.entry.priority), "weight": .integer(target.entry.weight),
            "price": .optional(target.price?.id), "input_rate": rate(target.rates?.input),
            "output_rate": rate(target.rates?.output), "estimated_cost": .optional(target.cost),
        ]
    }

    private static func json(_ guardrail: GuardrailEntry) -> JSONValue {
        [
            "guardrail": .text(guardrail.id), "name": .string(guardrail.name),
            "kind": .string(guardrail.rule.kind.rawValue), "action": .string(guardrail.rule.action.rawValue),
            "sides": .array(guardrail.sides.names.map { .string($0) }),
            "mode": .string(guardrail.mode.rawValue),
        ]
    }

    private static let guardrail = Schema.object(
        ObjectSchema(
            name: "ExplainedGuardrail",
            members: [
                member("guardrail", .id(Guardrail.self), "The guardrail."),
                member("name", .text(1...200), "What refused callers are told."),
                member("kind", .words(GuardrailKind.allCases.map(\.rawValue)), "What it looks for."),
                member("action", .words(GuardrailAction.allCases.map(\.rawValue)), "What it does then."),
                member(
                    "sides", .list(.words(GuardrailSides.words.map(\.name)), maximumCount: 2),
                    "What it looks at."),
                member("mode", .words(GuardrailMode.allCases.map(\.rawValue)), "Whether it acts."),
            ]))

    private static let target = Schema.object(
        ObjectSchema(
            name: "ExplainedTarget",
            members: [
                member("use", .words(TargetUse.allCases.map(\.rawValue)), "What it is for."),
                member(
                    "position", .nullable(.integer(0...31)),
                    "When it is tried among those of its use, from 0; null: never."),
                member(
                    "left_out", .nullable(.words(TargetExclusion.allCases.map(\.rawValue))),
                    "Why it is left out."),
                member("provider", .id(Provider.self), "Where the call would go."),
                member("provider_name", .text(0...63), "Its name."),
                member("model", .id(Model.self), "The provider's model."),
                member("upstream_model", .text(1...128), "What the provider calls it."),
                member("priority", .integer(0...100), "Lower numbers are tried first."),
                member("weight", .integer(1...1000), "Its share among those of its priority."),
                member("price", .nullable(.id(Price.self)), "The price in force; null: none."),
                member("input_rate", .nullable(.money), "Dollars per million tokens at this input size."),
                member("output_rate", .nullable(.money), "Dollars per million tokens at this input size."),
                member(
                    "estimated_cost", .nullable(.money),
                    "Dollars for this input and as much output, the tenant's markup on it."),
            ]))

    private static func member(_ name: String, _ schema: Schema, _ summary: String) -> MemberSchema {
        MemberSchema(name: name, schema: schema, isRequired: true, summary: summary)
    }
}
