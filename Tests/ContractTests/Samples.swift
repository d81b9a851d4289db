import Contract
import Cryptography
import Domain
import TestSupport
import Testing

/// One full example of every binary record, for tests that hold for all of them.
struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// Decodes some bytes and encodes what was read; throws what decoding throws.
    let again: @Sendable ([UInt8]) throws(CodecError) -> [UInt8]

    var testDescription: String { name }

    init<Record: BinaryRecord>(_ record: Record) {
        name = "\(Record.self)"
        bytes = record.encoded
        again = { (bytes) throws(CodecError) in try Record(encoded: bytes).encoded }
    }

    static let time = Timestamp(microseconds: 1_800_000_000_123_456)

    static let all: [Sample] = {
        let (fixture, parts) = SnapshotFixture.small()
        var content = fixture.content
        content.providers.append(provider(parts.tenant))
        content.keys.append(key(parts.tenant, parts.workspace))
        content.routes.append(route(parts))
        content.prices.append(price(parts))
        var shard = Shard()
        shard.tenants = content.tenants
        shard.workspaces = content.workspaces
        shard.keys = content.keys
        shard.providers = content.providers
        shard.routes = content.routes
        shard.prices = content.prices
        shard.limits = subjects.map { limit($0) }
        shard.groups = [
            GroupEntry(id: GroupID(high: 1, low: 1), tenant: parts.tenant, members: [UserID(high: 1, low: 3)])
        ]
        shard.guardrails = guardrails
        let envelope = fixture.keySetEnvelope
        let manifest = Manifest(
            version: SnapshotVersion(epoch: 3, counter: 9), issuedAt: time, freshUntil: time, layout: .small,
            pages: (0..<5).map { sha256([$0]) },
            kills: [.key(parts.keyID), .tenant(parts.tenant), .provider(parts.provider)],
            fleetKey: fixture.fleetKey.id)
        let object = SnapshotObject(bytes: [1, 2, 3])
        return [
            Sample(content.tenants[0]), Sample(content.workspaces[0]), Sample(content.keys[1]),
            Sample(content.providers[1]),
            Sample(content.providers[1].credentials[0]), Sample(content.routes[0]),
            Sample(content.routes[0].targets[0]), Sample(content.routes[1]),
            Sample(content.routes[1].targets[0]), Sample(content.prices[0]), Sample(content.prices[1]),
            Sample(shard.limits[3]), Sample(shard.groups[0]), Sample(shard), Sample(manifest),
            Sample(envelope),
            Sample(fixture.keySet),
            Sample(ManifestPage(firstShard: 64, references: [nil, .init(object), nil])),
            Sample(StreamFrame(manifest: envelope, keySets: [envelope, envelope])), Sample(event(7)),
            Sample(BatchAnswer.acknowledged(sequence: 5)), Sample(BatchAnswer.gap(needed: 6)),
            Sample(BatchAnswer.conflict(sequence: 7)), Sample(event(7).marks[0]),
            Sample(callContent), Sample(CallContentBatch([callContent, callContent])),
        ] + grants + guardrails.map { Sample($0) }
    }()

    /// A call of which both sides are kept, one of them shortened.
    static let callContent = CallContent(
        call: UsageEventID(high: 1, low: 9), tenant: TenantID(high: 1, low: 2), startedAt: time,
        request: .init(text: #"{"model":"m"}"#, byteCount: 13),
        answer: .init(text: #"{"content":"olá"#, byteCount: 70_000, isTruncated: true, redactions: 2))

    /// A route that says all a route can say.
    static func route(_ parts: SnapshotFixture.Parts) -> RouteEntry {
        let conditions = TargetConditions(
            tags: ["team:search", "gold"], minimumInput: 10, maximumInput: 0,
            needs: CapabilitySet([.vision, .tools]),
            hours: WeeklyHours(days: [.monday, .sunday], from: 1320, until: 360))
        let terms = TargetTerms(
            weight: 7, priority: 100, use: .contextWindow, conditions: conditions,
            parameters: [
                TargetParameter(name: "temperature", json: "0.25"),
                TargetParameter(name: "metadata", json: #"{"a":[1,null]}"#),
            ])
        let target = TargetEntry(
            provider: parts.provider, model: parts.model, upstreamModel: "gpt", terms: terms,
            contextWindow: 128_000, capabilities: CapabilitySet(ModelCapability.allCases))
        let rules = RouteRules(
            strategy: .leastLatency, affinity: .promptPrefix,
            retries: RetryRules(
                attempts: 5, attemptsPerTarget: 1, backoff: 0, hedgeAfter: 900, hedgePercentile: 95),
            timeouts: RouteTimeouts(connect: 1, firstByte: 2, firstToken: 3, betweenChunks: 4, total: 5),
            cache: RouteCache(seconds: 60, maximumBytes: 2048), untranslated: .reject)
        return RouteEntry(
            id: RouteID(at: time), tenant: parts.tenant, name: "full", rules: rules, isEnabled: false,
            steps: [.target(target), .route(parts.route, terms), .route(parts.route, TargetTerms())])
    }

    static func price(_ parts: SnapshotFixture.Parts) -> PriceEntry {
        let rates = PriceRates(input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5)!
        let table = PriceTable(
            base: rates,
            tiers: [PriceTier(above: 128_000, rates: rates), PriceTier(above: 200_000, rates: .free)],
            batch: rates)!
        return PriceEntry(
            id: PriceID(at: time), model: parts.model, tenant: parts.tenant, effectiveFrom: time,
            effectiveUntil: time.advanced(bySeconds: 5), table: table)
    }

    private static let grants: [Sample] = {
        let account = GrantAccount(
            tenant: TenantID(high: 1, low: 2), limit: LimitID(high: 3, low: 4), partHigh: 5, partLow: 6)
        let grant = Grant(
            id: GrantID(high: 7, low: 8), node: NodeID(high: 9, low: 10), account: account,
            metric: .outputTokens, period: .week,
            window: LimitWindow(start: time, end: time.advanced(bySeconds: 60)), epoch: 2, serial: 3, lent: 4)
        let statement = SignedEnvelope(
            payloadType: Grant.payloadType, payload: grant.encoded, signedBy: [Ed25519PrivateKey()])
        let position = GrantPosition(
            grant: grant.id, account: account, within: time, serial: 1, lent: 2, spent: 3, held: 4, need: 5,
            hold: 6, demand: 7, isClosed: true, statement: statement)
        let reply = GrantReply(
            grant: grant.id, account: account, statement: statement, target: 1, amount: 2, usedElsewhere: 3,
            isAlone: true, wantsStatement: true, isClosed: true)
        return [
            Sample(account), Sample(grant), Sample(position), Sample(reply),
            Sample(GrantRequest(sequence: 8, round: 9, positions: [position])),
            Sample(GrantAnswer(now: time, sequence: 8, replies: [reply])),
        ]
    }()

    static func provider(_ tenant: TenantID) -> ProviderEntry {
        let id = ProviderID(high: 8, low: 9)
        let key = FleetKey(id: FleetKeyID(high: 1, low: 1), key: SymmetricKey())
        guard let url = BaseURL("https://llm.example.com/v1") else { preconditionFailure("a base URL") }
        return ProviderEntry(
            id: id, tenant: tenant, kind: .openAICompatible, baseURL: url,
            credentials: [
                CredentialEntry(
                    id: CredentialID(high: 1, low: 2), weight: 7,
                    sealed: SealedCredential(Secret(utf8: "sk"), of: id, under: key))
            ], options: ["region": "eu-central-1"],
            headers: [ExtraHeader(name: "x-team", value: "red")],
            timeouts: ProviderTimeouts(connect: 1, firstByte: 2, betweenChunks: 3, total: 4),
            proxy: EgressProxy("http://proxy.internal:3128"), isEnabled: false)
    }

    static func key(_ tenant: TenantID, _ workspace: WorkspaceID) -> KeyEntry {
        var generator = SeededGenerator(seed: 5)
        let text = KeyText(using: &generator)
        return KeyEntry(
            id: KeyID(high: 3, low: 4), tenant: tenant, workspace: workspace, publicID: text.publicID,
            secretHash: SecretHash(of: text), previous: PreviousSecret(hash: .unknown, until: time),
            permitted: KeyPermissions(
                endpoints: [EndpointSet([.chat])], routes: [RouteID(high: 1, low: 1)],
                models: [ModelID(high: 1, low: 2)],
                addresses: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"].compactMap { AddressRange($0) }),
            notBefore: .epoch, expires: time, revoked: time, isStrict: true, tags: ["team:red", "a"],
            owner: UserID(high: 1, low: 3), limits: [limit(.key(KeyID(high: 3, low: 4)))])
    }

    private static let subjects: [LimitSubject] = [
        .tenant, .workspace(WorkspaceID(high: 1, low: 2)), .group(GroupID(high: 1, low: 1)),
        .user(UserID(high: 1, low: 3)),
    ]

    static func limit(_ subject: LimitSubject) -> LimitEntry {
        LimitEntry(
            id: LimitID(high: 1, low: 9), tenant: TenantID(high: 1, low: 2), name: "monthly",
            subject: subject,
            match: LimitMatch(
                routes: [RouteID(high: 1, low: 1)], models: [ModelID(high: 1, low: 2)], tags: ["team:red"]),
            partition: .tag, metric: .cost, amount: 7, period: .month, mode: .shadow)
    }

    /// One of each subject and kind.
    private static let guardrails: [GuardrailEntry] = [
        (GuardrailSubject.tenant, GuardrailRule(kind: .patterns, action: .redact, texts: ["a+", "b"])),
        (.workspace(WorkspaceID(high: 1, low: 2)), GuardrailRule(kind: .words, texts: ["codename"])),
        (
            .route(RouteID(high: 1, low: 1)),
            GuardrailRule(kind: .personalData, action: .redact, personalData: [.email, .iban])
        ),
        (.key(KeyID(high: 3, low: 4)), GuardrailRule(kind: .secrets)),
        (.tenant, GuardrailRule(kind: .size, size: GuardrailSize(messages: 1, characters: 2, tokens: 3))),
        (
            .tenant,
            GuardrailRule(
                kind: .webhook,
                webhook: GuardrailWebhook(
                    url: BaseURL("https://judge.example/v1")!, timeout: 700, onFailure: .allow,
                    overlapUntil: time))
        ),
    ].map { subject, rule in
        GuardrailEntry(
            id: GuardrailID(high: 1, low: 9), tenant: TenantID(high: 1, low: 2), name: "no secrets",
            subject: subject, rule: rule, sides: .input, mode: .observe,
            secret: rule.kind == .webhook
                ? SealedCredential(fleetKey: FleetKeyID(high: 1, low: 8), sealed: [1, 2, 3]) : nil)
    }

    static func event(_ number: UInt64) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 1, low: number), tenant: TenantID(high: 2, low: 2),
            workspace: WorkspaceID(high: 3, low: 3), key: KeyID(high: 4, low: 4),
            route: RouteID(high: 5, low: 5),
            provider: ProviderID(high: 6, low: 6), model: ModelID(high: 7, low: 7),
            price: PriceID(high: 8, low: 8),
            endpoint: .embeddings, startedAt: time, latencyMicroseconds: 12_345, firstByteMicroseconds: 999,
            usage: TokenUsage(input: 100, cachedInput: 40, cacheWrite: 5, output: 30, reasoning: 10),
            cost: NanoUSD(nanos: Int64(number) * 1000), costState: .estimated, status: 502, isStream: true,
            ending: .upstreamCut, errorCode: "upstream_cut", attempts: 3,
            grants: [GrantID(high: 1, low: 5), GrantID(high: 1, low: 6)], purpose: .hedge, isCached: true,
            marks: [
                GuardrailMark(guardrail: GuardrailID(high: 1, low: 7), effect: .redacted, count: 3)
            ])
    }
}
