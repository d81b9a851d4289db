import Contract
import Domain
import PostgresDriver

/// What a batch's events used of the grants they were held against.
struct GrantSettlement {
    private struct Use {
        var requests: Int64 = 0
        var input: Int64 = 0
        var output: Int64 = 0
        var cost: Int64 = 0
    }

    private struct Key: Hashable {
        let tenant: TenantID
        let grant: GrantID
    }

    private var uses: [Key: Use] = [:]

    init(_ events: [UsageEvent]) {
        for event in events {
            for grant in event.grants {
                let key = Key(tenant: event.tenant, grant: grant)
                uses[key, default: Use()].requests += 1
                uses[key]!.input += event.usage.input
                uses[key]!.output += event.usage.output
                uses[key]!.cost += max(0, event.cost.nanos)
            }
        }
    }

    /// Adds the sums in each limit's own metric. A grant that is not known any more settles nothing: its
    /// limit is gone, or it comes back with what the node says it spent.
    ///
    /// Only the node that sends the events was lent these grants; rows are locked in the lenders' order.
    func write(of node: NodeID, _ connection: PostgresConnection) async throws(PostgresError) {
        if uses.isEmpty { return }
        let list = Array(uses)
        func sums(_ sum: (Use) -> Int64) -> SQL { "\(list.map { sum($0.value) })" }
        try await connection.execute(
            """
            with used as (
                select * from unnest(\(list.map(\.key.tenant)), \(list.map(\.key.grant)),
                                     \(fragment: sums(\.requests)), \(fragment: sums(\.input)),
                                     \(fragment: sums(\.output)), \(fragment: sums(\.cost)))
                              as used (tenant_id, id, requests, input, output, cost)
            ), locked as (
                select grants.tenant_id, grants.id, grants.limit_id, used.requests, used.input, used.output,
                       used.cost
                  from used
                  join grants on grants.tenant_id = used.tenant_id and grants.id = used.id
                 where grants.node_id = \(node)
                 order by grants.tenant_id, grants.id
                   for no key update of grants
            )
            update grants
               set settled = settled + case metric when 'requests'      then locked.requests
                                                   when 'input_tokens'  then locked.input
                                                   when 'output_tokens' then locked.output
                                                   when 'total_tokens'  then locked.input + locked.output
                                                   when 'cost'          then locked.cost
                                                   else 0 end
              from locked
              join limits on limits.tenant_id = locked.tenant_id and limits.id = locked.limit_id
             where grants.tenant_id = locked.tenant_id and grants.id = locked.id
            """)
    }
}
