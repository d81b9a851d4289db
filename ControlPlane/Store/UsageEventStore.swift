import Contract
package import Domain
package import PostgresDriver

/// One call as the log keeps it: identities, sizes, times and money; never what was said.
package struct LoggedCall: Hashable, Sendable {
    package let id: UsageEventID
    package let startedAt: Timestamp
    package let workspace: WorkspaceID
    package let key: KeyID
    /// nil, like provider and model: the call did not come so far.
    package let route: RouteID?
    package let provider: ProviderID?
    package let model: ModelID?
    package let node: NodeID
    package let endpoint: String
    package let latencyMicroseconds: Int64
    package let firstByteMicroseconds: Int64
    package let inputTokens: Int64
    package let cachedInputTokens: Int64
    package let outputTokens: Int64
    package let cost: NanoUSD
    /// `settled`, `estimated` or `unpriced`.
    package let costState: String
    package let status: Int
    package let isStream: Bool
    /// `completed`, `client_gone` …
    package let ending: String
    package let errorCode: String?
    package let attempts: Int
    /// `call`, `hedge` or `mirror`.
    package let purpose: String
    /// Nobody was asked: an answer of before was given again.
    package let isCached: Bool
    /// What guardrails did, as JSON; nil: none did anything.
    package let guardrailMarks: String?
    /// What was said is kept too.
    package let hasContent: Bool
}

extension GuardrailMark {
    /// As the table has them; nil when there are none.
    static func json(_ marks: [GuardrailMark]) -> String? {
        if marks.isEmpty { return nil }
        // Identifiers, words and numbers: nothing to escape.
        let items = marks.map {
            #"{"guardrail":"\#($0.guardrail)","effect":"\#($0.effect.name)","count":\#($0.count)}"#
        }
        return "[" + items.joined(separator: ",") + "]"
    }
}

/// Which calls of a tenant; what is nil does not matter.
package struct CallFilter: Hashable, Sendable {
    package var from: Timestamp?
    /// The moment after the last one that counts.
    package var to: Timestamp?
    package var workspace: WorkspaceID?
    package var key: KeyID?
    package var route: RouteID?
    package var provider: ProviderID?
    package var model: ModelID?
    package var node: NodeID?
    package var endpoint: String?
    package var isStream: Bool?
    package var costState: CostState?
    package var errorCode: String?
    package var hasFailed: Bool?

    /// Whether the figures are the provider's own, a guess, or there was no price.
    package enum CostState: String, Sendable, CaseIterable { case settled, estimated, unpriced }

    package init() {}

    /// Whether more than the time is asked for, so that many calls may be looked through for one that counts.
    package var isNarrow: Bool {
        var period = CallFilter()
        (period.from, period.to) = (from, to)
        return self != period
    }
}

/// Where a call stands in the log.
package typealias CallPlace = (at: Timestamp, id: UsageEventID)

extension UsageStore {
    package static let maximumCalls = 1000

    private static let callColumns: SQL = """
        id, started_at, workspace_id, key_id, route_id, provider_id, model_id, node_id, endpoint, latency_us,
        first_byte_us, input_tokens, cached_input_tokens, output_tokens, cost_nanos, cost_state, status_code,
        streamed, ending, error_code, attempts, purpose, from_cache, guardrail_marks,
        exists (select
                  from call_contents as content
                 where content.tenant_id = usage_events.tenant_id and content.id = usage_events.id)
        """

    /// A tenant's calls, the newest first, at most `maximumCalls`; `before`: only those behind this one,
    /// `downTo`: only those up to this one, which counts too.
    package static func calls(
        of tenant: TenantID, _ filter: CallFilter, before: CallPlace? = nil, downTo: CallPlace? = nil,
        limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [LoggedCall] {
        var predicate = behind(before, of: tenant)
        if let downTo {
            predicate =
                predicate
                    + """
                     and started_at >= \(downTo.at) and (started_at, id) >= (\(downTo.at), \(downTo.id))
                    """
        }
        let rows = try await connection.query(
            """
            select \(fragment: callColumns)
              from usage_events
             where \(fragment: predicate + narrowed(filter))
             order by started_at desc, id desc
             limit \(min(max(limit, 1), maximumCalls))
            """)
        return try rows.read(readCall)
    }

    /// The place so many calls behind another (nil: the newest), whatever calls they are, within the filter's
    /// time; nil: there are fewer. A search down to it takes a bounded time.
    package static func place(
        _ count: Int, behind before: CallPlace?, of tenant: TenantID, _ filter: CallFilter,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> CallPlace? {
        var period = CallFilter()
        (period.from, period.to) = (filter.from, filter.to)
        let rows = try await connection.query(
            """
            select started_at, id
              from usage_events
             where \(fragment: behind(before, of: tenant) + narrowed(period))
             order by started_at desc, id desc
            offset \(max(0, count - 1)) limit 1
            """)
        let places = try rows.read { row throws(PostgresError) -> CallPlace in
            (at: try row.timestamp(0), id: try row.id(1))
        }
        return places.first
    }

    private static func behind(_ place: CallPlace?, of tenant: TenantID) -> SQL {
        let predicate: SQL = "tenant_id = \(tenant)"
        guard let place else { return predicate }
        // The time by itself too: it is what partitions are left out by.
        return predicate
            + """
             and started_at <= \(place.at) and (started_at, id) < (\(place.at), \(place.id))
            """
    }

    private static func narrowed(_ filter: CallFilter) -> SQL {
        var predicate: SQL = ""
        if let from = filter.from { predicate = predicate + " and started_at >= \(from)" }
        if let to = filter.to { predicate = predicate + " and started_at < \(to)" }
        if let workspace = filter.workspace { predicate = predicate + " and workspace_id = \(workspace)" }
        if let key = filter.key { predicate = predicate + " and key_id = \(key)" }
        if let route = filter.route { predicate = predicate + " and route_id = \(route)" }
        if let provider = filter.provider { predicate = predicate + " and provider_id = \(provider)" }
        if let model = filter.model { predicate = predicate + " and model_id = \(model)" }
        if let node = filter.node { predicate = predicate + " and node_id = \(node)" }
        if let endpoint = filter.endpoint { predicate = predicate + " and endpoint = \(endpoint)" }
        if let isStream = filter.isStream { predicate = predicate + " and streamed = \(isStream)" }
        if let state = filter.costState { predicate = predicate + " and cost_state = \(state.rawValue)" }
        if let code = filter.errorCode { predicate = predicate + " and error_code = \(code)" }
        if let hasFailed = filter.hasFailed {
            predicate =
                predicate
                + (hasFailed
                    ? " and (error_code is not null or status_code >= 400)"
                    : " and error_code is null and status_code < 400")
        }
        return predicate
    }

    private static func readCall(_ row: Row) throws(PostgresError) -> LoggedCall {
        // Calls that did not come so far carry the zero id.
        func real<Noun>(_ id: ID<Noun>) -> ID<Noun>? { id.high == 0 && id.low == 0 ? nil : id }
        return LoggedCall(
            id: try row.id(0), startedAt: try row.timestamp(1), workspace: try row.id(2), key: try row.id(3),
            route: real(try row.id(4)), provider: real(try row.id(5)), model: real(try row.id(6)),
            node: try row.id(7), endpoint: try row.text(8), latencyMicroseconds: try row.int64(9),
            firstByteMicroseconds: try row.int64(10), inputTokens: try row.int64(11),
            cachedInputTokens: try row.int64(12), outputTokens: try row.int64(13),
            cost: NanoUSD(nanos: try row.int64(14)), costState: try row.text(15),
            status: try row.int(16), isStream: try row.bool(17), ending: try row.text(18),
            errorCode: try row.optionalText(19), attempts: try row.int(20),
            purpose: try row.text(21), isCached: try row.bool(22),
            guardrailMarks: try row.optionalText(23), hasContent: try row.bool(24))
    }
}
