package import Domain

/// One answered call's record: what it used, what it cost, and how it ended.
package struct UsageEvent: Hashable, Sendable, BinaryRecord {
    /// How sure the figures are.
    package enum CostState: UInt8, Sendable, CaseIterable {
        /// The provider's own figures.
        case settled = 1
        /// The provider gave none, or the stream was cut: counted from what was sent and received.
        case estimated = 2
        /// No price was in force; tokens count, the cost is zero until it is re-rated.
        case unpriced = 3

        package var name: String {
            switch self {
            case .settled: "settled"
            case .estimated: "estimated"
            case .unpriced: "unpriced"
            }
        }
    }

    package enum Ending: UInt8, Sendable, CaseIterable {
        case completed = 1
        /// The client went away before the end.
        case clientGone = 2
        /// The provider's answer broke off.
        case upstreamCut = 3
        case timedOut = 4
        /// The provider answered with an error.
        case providerError = 5
        /// The node was killed with the call open.
        case nodeKilled = 6

        package var name: String {
            switch self {
            case .completed: "completed"
            case .clientGone: "client_gone"
            case .upstreamCut: "upstream_cut"
            case .timedOut: "timed_out"
            case .providerError: "provider_error"
            case .nodeKilled: "node_killed"
            }
        }
    }

    package var id: UsageEventID
    package var tenant: TenantID
    package var workspace: WorkspaceID
    package var key: KeyID
    package var route: RouteID
    package var provider: ProviderID
    package var model: ModelID
    /// The price the cost was taken from; nil when none was in force.
    package var price: PriceID?
    package var endpoint: Endpoint
    package var startedAt: Timestamp
    /// From the request's last byte to the response's last, in microseconds.
    package var latencyMicroseconds: UInt32
    /// To the response's first byte, in microseconds.
    package var firstByteMicroseconds: UInt32
    package var usage: TokenUsage
    package var cost: NanoUSD
    package var costState: CostState
    /// The HTTP status the client saw.
    package var status: UInt16
    package var isStream: Bool
    package var ending: Ending
    /// An `ErrorCode` when the call failed.
    package var errorCode: String?
    /// Calls to providers that were made for it, at least one; none when it was answered from the cache.
    package var attempts: UInt8
    /// The budgets' grants it was held against: it settles them. At most `maximumGrants`; a call of more
    /// budgets leaves the rest out, and they go by the node's own word.
    package var grants: [GrantID]
    package var purpose: CallPurpose
    /// Answered with what was kept of an earlier call: no provider was asked.
    package var isCached: Bool
    /// What guardrails did, at most `maximumMarks`; never what they found.
    package var marks: [GuardrailMark]

    package init(
        id: UsageEventID, tenant: TenantID, workspace: WorkspaceID, key: KeyID, route: RouteID,
        provider: ProviderID,
        model: ModelID, price: PriceID?, endpoint: Endpoint, startedAt: Timestamp,
        latencyMicroseconds: UInt32,
        firstByteMicroseconds: UInt32, usage: TokenUsage, cost: NanoUSD, costState: CostState, status: UInt16,
        isStream: Bool, ending: Ending, errorCode: String? = nil, attempts: UInt8 = 1, grants: [GrantID] = [],
        purpose: CallPurpose = .call, isCached: Bool = false, marks: [GuardrailMark] = []
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.key = key
        self.route = route
        self.provider = provider
        self.model = model
        self.price = price
        self.endpoint = endpoint
        self.startedAt = startedAt
        self.latencyMicroseconds = latencyMicroseconds
        self.firstByteMicroseconds = firstByteMicroseconds
        self.usage = usage
        self.cost = cost
        self.costState = costState
        self.status = status
        self.isStream = isStream
        self.ending = ending
        self.errorCode = errorCode
        self.attempts = attempts
        self.grants = Array(grants.prefix(Self.maximumGrants))
        self.purpose = purpose
        self.isCached = isCached
        self.marks = Array(marks.prefix(Self.maximumMarks))
    }

    package static let maximumGrants = 24
    package static let maximumMarks = 8
    /// The largest encoded event, in bytes.
    package static let maximumBytes = 1280
}

extension UsageEvent {
    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.id(3, workspace)
        writer.id(4, key)
        writer.id(5, route)
        writer.id(6, provider)
        writer.id(7, model)
        writer.id(8, price)
        writer.number(9, endpoint.rawValue)
        writer.time(10, startedAt)
        writer.number(11, latencyMicroseconds)
        writer.number(12, firstByteMicroseconds)
        writer.signed(13, usage.input)
        writer.signed(14, usage.cachedInput)
        writer.signed(15, usage.cacheWrite)
        writer.signed(16, usage.output)
        writer.signed(17, usage.reasoning)
        writer.signed(18, cost.nanos)
        writer.number(19, costState.rawValue)
        writer.number(20, status)
        writer.flag(21, isStream)
        writer.number(22, ending.rawValue)
        writer.text(23, errorCode ?? "")
        writer.number(24, attempts)
        for grant in grants { writer.id(25, grant) }
        writer.number(26, purpose.rawValue)
        writer.flag(27, isCached)
        for mark in marks { writer.value(28, mark) }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var parts = Parts()
        while let field = try reader.next() { try parts.take(field) }
        id = try Self.required(parts.id, 1)
        tenant = try Self.required(parts.tenant, 2)
        workspace = try Self.required(parts.workspace, 3)
        key = try Self.required(parts.key, 4)
        route = try Self.required(parts.route, 5)
        provider = try Self.required(parts.provider, 6)
        model = try Self.required(parts.model, 7)
        price = parts.price
        endpoint = parts.endpoint
        startedAt = try Self.required(parts.startedAt, 10)
        latencyMicroseconds = parts.latency
        firstByteMicroseconds = parts.firstByte
        usage = try parts.usage()
        cost = NanoUSD(nanos: parts.cost)
        costState = try Self.required(parts.costState, 19)
        status = parts.status
        isStream = parts.isStream
        ending = try Self.required(parts.ending, 22)
        errorCode = parts.errorCode
        attempts = parts.attempts
        grants = parts.grants
        purpose = parts.purpose
        isCached = parts.isCached
        marks = parts.marks
        guard cost >= .zero else { throw .malformed("a negative cost") }
    }

    /// The fields as they are read, before it is known that all are there.
    private struct Parts {
        var id: UsageEventID?
        var tenant: TenantID?
        var workspace: WorkspaceID?
        var key: KeyID?
        var route: RouteID?
        var provider: ProviderID?
        var model: ModelID?
        var price: PriceID?
        var endpoint = Endpoint.chat
        var startedAt: Timestamp?
        var latency: UInt32 = 0
        var firstByte: UInt32 = 0
        var tokens: [Int64] = [0, 0, 0, 0, 0]
        var cost: Int64 = 0
        var costState: CostState?
        var status: UInt16 = 0
        var isStream = false
        var ending: Ending?
        var errorCode: String?
        var attempts: UInt8 = 0
        var grants: [GrantID] = []
        var purpose = CallPurpose.call
        var isCached = false
        var marks: [GuardrailMark] = []

        mutating func take(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: workspace = try field.id()
            case 4: key = try field.id()
            case 5: route = try field.id()
            case 6: provider = try field.id()
            case 7: model = try field.id()
            case 8: price = try field.id()
            case 10: startedAt = try field.time()
            case 13...17: tokens[Int(field.tag) - 13] = try field.signed()
            case 18: cost = try field.signed()
            case 23: errorCode = try field.text(upTo: 64)
            default: try takeSmall(field)
            }
        }

        private mutating func takeSmall(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 9: endpoint = try known(Endpoint(rawValue: try field.number(upTo: .max)), field.tag)
            case 11: latency = try field.number(upTo: .max)
            case 12: firstByte = try field.number(upTo: .max)
            case 19: costState = try known(CostState(rawValue: try field.number(upTo: .max)), field.tag)
            case 20: status = try field.number(upTo: 999)
            case 21: isStream = try field.flag()
            case 22: ending = try known(Ending(rawValue: try field.number(upTo: .max)), field.tag)
            case 24: attempts = try field.number(upTo: .max)
            default: try takeMore(field)
            }
        }

        private mutating func takeMore(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 25: try grants.append(field.id(), upTo: UsageEvent.maximumGrants, "grants of an event")
            case 26: purpose = try known(CallPurpose(rawValue: try field.number(upTo: .max)), field.tag)
            case 27: isCached = try field.flag()
            case 28:
                try marks.append(GuardrailMark(field), upTo: UsageEvent.maximumMarks, "marks of an event")
            default: break
            }
        }

        private func known<Value>(_ value: Value?, _ tag: UInt32) throws(CodecError) -> Value {
            guard let value else { throw .malformed("field \(tag) has an unknown value") }
            return value
        }

        /// The figures, which must already be in range: a node clamps before it writes.
        func usage() throws(CodecError) -> TokenUsage {
            let usage = TokenUsage(
                input: tokens[0], cachedInput: tokens[1], cacheWrite: tokens[2], output: tokens[3],
                reasoning: tokens[4])
            guard
                [usage.input, usage.cachedInput, usage.cacheWrite, usage.output, usage.reasoning] == tokens
            else { throw .malformed("token counts out of range") }
            return usage
        }
    }
}
