package import Contract
package import Cryptography
package import Domain
package import PostgresDriver

/// Usage: batches taken in exactly once, events by day, sums by minute, hour and day.
package enum UsageStore {
    /// Days around now that get a partition of their own; events of other days share one.
    private static let partitionedDays: ClosedRange<Int> = -400...2

    /// Takes a batch in, or says why not, in one transaction: the batch's number, its events, the sums,
    /// what was lent, the books.
    /// Only what this answers with `.acknowledged` may be deleted by the node.
    package static func ingest(
        _ batch: UsageBatch, digest: SHA256Digest, at now: Timestamp, _ pool: PostgresPool
    ) async throws -> BatchAnswer {
        try await pool.withConnection { try await prepare(for: batch.events, at: now, $0) }
        return try await pool.withTransaction { try await take(batch, digest: digest, at: now, $0) }
    }

    /// Makes the partitions that events need. Not in the transaction that copies: attaching a partition
    /// locks the table a little, and must not do so for long.
    package static func prepare(
        for events: [UsageEvent], at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let today = now.date.daysSinceEpoch
        let days = Set(events.map { $0.startedAt.date.daysSinceEpoch })
            .filter { partitionedDays.contains($0 - today) }.sorted()
        if days.isEmpty { return }
        let list = SQLParameter.array(.date, days.map { .date(days: Int32(clamping: $0)) })
        _ = try await connection.query("select create_usage_partition(day) from unnest(\(list)) as day")
    }

    /// The work of `ingest` inside its transaction.
    package static func take(
        _ batch: UsageBatch, digest: SHA256Digest, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> BatchAnswer {
        // Locks the outbox's row: of two uploads of one batch, the second waits and then finds it taken.
        let streams = try await connection.query(
            """
            insert into usage_streams as stream (node_id, outbox_epoch, last_seq)
            values (\(batch.node), \(batch.outboxEpoch), 0)
            on conflict (node_id, outbox_epoch) do update set last_seq = stream.last_seq
            returning last_seq, (select sha256
                                   from usage_batches as taken
                                  where taken.node_id = stream.node_id
                                    and taken.outbox_epoch = stream.outbox_epoch
                                    and seq = \(batch.sequence))
            """)
        guard let stream = streams.first else {
            throw PostgresError(.decoding, privateDetail: "no usage stream")
        }
        let lastTaken = try stream.int64(0)
        var takenDigest = try stream.optionalBytes(1).flatMap { SHA256Digest($0) }
        if batch.sequence <= lastTaken && takenDigest == nil {
            // The statement above saw the past of a row it had to wait for.
            takenDigest = try await digestOf(batch, connection)
        }
        let verdict = BatchAnswer.judge(
            sequence: batch.sequence, digest: digest, lastTaken: lastTaken, takenDigest: takenDigest)
        guard case .take = verdict else {
            if case .answer(let answer) = verdict { return answer }
            return .gap(needed: lastTaken + 1)
        }
        try await connection.execute(
            """
            with moved as (
                update usage_streams
                   set last_seq = \(batch.sequence)
                 where node_id = \(batch.node) and outbox_epoch = \(batch.outboxEpoch)
            )
            insert into usage_batches
                   (node_id, outbox_epoch, seq, sha256, event_count, cost_nanos, received_at)
            values (\(batch.node), \(batch.outboxEpoch), \(batch.sequence), \(digest), \(batch.events.count),
                    \(batch.totalCost), \(now))
            """)
        let events = batch.isRecovered ? try await unknown(batch.events, connection) : batch.events
        if !events.isEmpty { try await copy(events, of: batch.node, connection) }
        // Copies of calls are nobody's to pay: they stand among the events, and in no sum.
        let billed = events.filter { $0.purpose != .mirror }
        try await UsageRollup(billed).write(connection)
        // Counters of refusals have no identity: what was recovered may have been counted.
        if !batch.isRecovered { try await RefusalStore.take(batch, connection) }
        try await GrantSettlement(events).write(of: batch.node, connection)
        try await UsagePosting(billed, at: now).write(connection)
        return .acknowledged(sequence: batch.sequence)
    }

    private static func digestOf(
        _ batch: UsageBatch, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SHA256Digest? {
        let rows = try await connection.query(
            """
            select sha256
              from usage_batches
             where node_id = \(batch.node) and outbox_epoch = \(batch.outboxEpoch) and seq = \(batch.sequence)
            """)
        return try rows.first.map { row throws(PostgresError) in try row.digest(0) }
    }

    /// The events that did not come in another batch: of an outbox that was rolled back or cloned.
    private static func unknown(
        _ events: [UsageEvent], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [UsageEvent] {
        let rows = try await connection.query(
            """
            select id
              from usage_events
             where (tenant_id, started_at, id) in (
                   select * from unnest(\(events.map(\.tenant)), \(events.map(\.startedAt)),
                                        \(events.map(\.id))))
            """)
        let known = Set(try rows.read { row throws(PostgresError) -> UsageEventID in try row.id(0) })
        return events.filter { !known.contains($0.id) }
    }

    private static func copy(
        _ events: [UsageEvent], of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let statement: StaticString = """
            copy usage_events (
                tenant_id, id, started_at, workspace_id, key_id, route_id, provider_id, model_id, price_id,
                node_id, endpoint, latency_us, first_byte_us, input_tokens, cached_input_tokens,
                cache_write_tokens, output_tokens, reasoning_tokens, cost_nanos, cost_state, status_code,
                streamed, ending, error_code, attempts, grants, purpose, from_cache, guardrail_marks
            ) from stdin (format binary)
            """
        _ = try await connection.copyIn(statement, columns: 29, events) { event, row in
            row.append(event.tenant)
            row.append(event.id)
            row.append(timestampMicroseconds: event.startedAt.microseconds)
            row.append(event.workspace)
            row.append(event.key)
            row.append(event.route)
            row.append(event.provider)
            row.append(event.model)
            row.append(event.price)
            row.append(node)
            row.append(event.endpoint.name)
            row.append(Int64(event.latencyMicroseconds))
            row.append(Int64(event.firstByteMicroseconds))
            row.append(event.usage.input)
            row.append(event.usage.cachedInput)
            row.append(event.usage.cacheWrite)
            row.append(event.usage.output)
            row.append(event.usage.reasoning)
            row.append(event.cost.nanos)
            row.append(event.costState.name)
            row.append(Int16(clamping: event.status))
            row.append(event.isStream)
            row.append(event.ending.name)
            row.append(event.errorCode)
            row.append(Int16(event.attempts))
            row.append(event.grants.isEmpty ? nil : event.grants)
            row.append(event.purpose.name)
            row.append(event.isCached)
            row.append(GuardrailMark.json(event.marks))
        }
    }
}

extension CopyRow {
    mutating func append<Noun>(_ ids: [ID<Noun>]?) {
        append(array: ids.map { $0.map(\.sqlParameter) }, of: .uuid)
    }

    mutating func append<Noun>(_ id: ID<Noun>) {
        append(PostgresUUID(high: id.high, low: id.low))
    }
}
