import Contract
import Domain
import PostgresDriver

/// The sums of a batch's events, by minute and by everything a report can group by.
struct UsageRollup {
    struct Key: Hashable {
        let tenant: TenantID
        let minute: Timestamp
        let workspace: WorkspaceID
        let key: KeyID
        let route: RouteID
        let provider: ProviderID
        let model: ModelID
    }

    private(set) var sums: [Key: UsageTotals] = [:]
    private var outcomes = OutcomeRollup()
    private(set) var lastUses: [KeyID: (tenant: TenantID, at: Timestamp)] = [:]

    init(_ events: [UsageEvent]) {
        for event in events {
            let key = Key(
                tenant: event.tenant, minute: event.startedAt.startOfMinute, workspace: event.workspace,
                key: event.key, route: event.route, provider: event.provider, model: event.model)
            sums[key, default: UsageTotals()].add(event)
            if event.purpose == .call { outcomes.add(event) }
            let last = lastUses[event.key]
            if last.map({ $0.at < event.startedAt }) ?? true {
                lastUses[event.key] = (event.tenant, event.startedAt)
            }
        }
    }

    /// Adds the sums to the tables. Every transaction goes through tables and rows in the same order, so
    /// that two never wait for each other in a circle.
    func write(_ connection: PostgresConnection) async throws(PostgresError) {
        if sums.isEmpty { return }
        _ = try await connection.pipeline([
            upsert(into: "usage_minutes", startingAt: "starts_at"),
            upsert(into: "usage_hours", startingAt: "date_trunc('hour', starts_at, 'UTC')"),
            upsert(into: "usage_days", startingAt: "date_trunc('day', starts_at, 'UTC')"),
            outcomes.upsert,
            upsertLastUses(),
        ])
    }

    private func upsert(into table: SQL, startingAt start: SQL) -> SQL {
        let list = Array(sums)
        func dimension<Value: SQLBindable>(_ value: (Key) -> Value) -> SQL { "\(list.map { value($0.key) })" }
        func sum(_ value: (UsageTotals) -> Int64) -> SQL { "\(list.map { value($0.value) })" }
        let rows: SQL =
            """
            unnest(\(fragment: dimension(\.tenant)), \(fragment: dimension(\.minute)),
                   \(fragment: dimension(\.workspace)), \(fragment: dimension(\.key)),
                   \(fragment: dimension(\.route)), \(fragment: dimension(\.provider)),
                   \(fragment: dimension(\.model)), \(fragment: sum(\.calls)),
                   \(fragment: sum(\.failedCalls)), \(fragment: sum(\.estimatedCalls)),
                   \(fragment: sum(\.inputTokens)), \(fragment: sum(\.cachedInputTokens)),
                   \(fragment: sum(\.cacheWriteTokens)),
                   \(fragment: sum(\.outputTokens)), \(fragment: sum(\.reasoningTokens)),
                   \(fragment: sum(\.cost.nanos)), \(fragment: sum(\.latencyMicroseconds)),
                   \(fragment: sum(\.firstByteMicroseconds)))
            """
        return """
            insert into \(fragment: table) as old (
                tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id,
                calls, failed_calls, estimated_calls, input_tokens, cached_input_tokens, cache_write_tokens,
                output_tokens, reasoning_tokens, cost_nanos, latency_us, first_byte_us
            )
            select tenant_id, \(fragment: start), workspace_id, key_id, route_id, provider_id, model_id,
                   sum(calls)::int8, sum(failed_calls)::int8, sum(estimated_calls)::int8,
                   sum(input_tokens)::int8, sum(cached_input_tokens)::int8, sum(cache_write_tokens)::int8,
                   sum(output_tokens)::int8, sum(reasoning_tokens)::int8, sum(cost_nanos)::int8,
                   sum(latency_us)::int8, sum(first_byte_us)::int8
              from \(fragment: rows) as new (
                   tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id,
                   calls, failed_calls, estimated_calls, input_tokens, cached_input_tokens,
                   cache_write_tokens, output_tokens, reasoning_tokens, cost_nanos, latency_us, first_byte_us)
             group by 1, 2, 3, 4, 5, 6, 7
             order by 1, 2, 3, 4, 5, 6, 7
            on conflict (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id)
            do update
               set calls               = old.calls               + excluded.calls,
                   failed_calls        = old.failed_calls        + excluded.failed_calls,
                   estimated_calls     = old.estimated_calls     + excluded.estimated_calls,
                   input_tokens        = old.input_tokens        + excluded.input_tokens,
                   cached_input_tokens = old.cached_input_tokens + excluded.cached_input_tokens,
                   cache_write_tokens  = old.cache_write_tokens  + excluded.cache_write_tokens,
                   output_tokens       = old.output_tokens       + excluded.output_tokens,
                   reasoning_tokens    = old.reasoning_tokens    + excluded.reasoning_tokens,
                   cost_nanos          = old.cost_nanos          + excluded.cost_nanos,
                   latency_us          = old.latency_us          + excluded.latency_us,
                   first_byte_us       = old.first_byte_us       + excluded.first_byte_us
            """
    }

    private func upsertLastUses() -> SQL {
        let uses = Array(lastUses)
        return """
            insert into key_uses as old (tenant_id, key_id, last_used_at)
            select tenant_id, key_id, last_used_at
              from unnest(\(uses.map(\.value.tenant)), \(uses.map(\.key)), \(uses.map(\.value.at)))
                   as new (tenant_id, key_id, last_used_at)
             order by tenant_id, key_id
            on conflict (tenant_id, key_id) do update set last_used_at = excluded.last_used_at
             where old.last_used_at < excluded.last_used_at
            """
    }
}
