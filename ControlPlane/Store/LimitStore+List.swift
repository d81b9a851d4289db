package import Domain
package import PostgresDriver

extension LimitStore {
    /// The limits of a tenant that pass a filter, newest first; not the one that follows its balance.
    package static func list(
        of tenant: TenantID, where filter: LimitFilter = LimitFilter(), _ page: Page<Limit>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Limit, Limit> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from limits
             where tenant_id = \(tenant) and id < \(page.bound) and not follows_balance
                   \(fragment: filter.condition) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// How many limits a key has, or (nil) the tenant has that are not of keys.
    package static func count(
        of key: KeyID?, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let filter: SQL = key.map { "key_id = \($0)" } ?? "key_id is null"
        let rows = try await connection.query(
            "select count(*) from limits where tenant_id = \(tenant) and \(fragment: filter)")
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// The places of routes and models in a match that the tenant does not have, nor (models) share.
    package static func unknown(
        in match: LimitMatch, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (routes: [Int], models: [Int]) {
        if match.routes.isEmpty, match.models.isEmpty { return ([], []) }
        let rows = try await connection.query(
            """
            select 'route', place
              from unnest(\(match.routes)) with ordinality as asked (id, place)
             where not exists (select from routes where tenant_id = \(tenant) and routes.id = asked.id)
            union all
            select 'model', place
              from unnest(\(match.models)) with ordinality as asked (id, place)
             where not exists (select from models
                                where tenant_id in (\(tenant), \(TenantID.platform)) and models.id = asked.id)
             order by 1, 2
            """)
        var unknown: (routes: [Int], models: [Int]) = ([], [])
        for row in rows {
            let place = Int(try row.int64(1)) - 1
            if try row.text(0) == "route" {
                unknown.routes.append(place)
            } else {
                unknown.models.append(place)
            }
        }
        return unknown
    }
}

extension LimitFilter {
    fileprivate var condition: SQL {
        var condition: SQL = ""
        if let workspace { condition = condition + " and workspace_id = \(workspace)" }
        if let group { condition = condition + " and group_id = \(group)" }
        if let user { condition = condition + " and user_id = \(user)" }
        if let key { condition = condition + " and key_id = \(key)" }
        if let metric { condition = condition + " and metric = \(metric.name)" }
        if let period { condition = condition + " and period = \(period.name)" }
        if let partition { condition = condition + " and partition_by = \(partition.name)" }
        if let mode { condition = condition + " and mode = \(mode.name)" }
        switch subject {
        case .tenant?:
            condition = condition + " and num_nonnulls(workspace_id, group_id, user_id, key_id) = 0"
        case .workspace?: condition = condition + " and workspace_id is not null"
        case .group?: condition = condition + " and group_id is not null"
        case .user?: condition = condition + " and user_id is not null"
        case .key?: condition = condition + " and key_id is not null"
        case nil: break
        }
        switch kind {
        case .concurrency?: condition = condition + " and metric = 'concurrency'"
        case .rate?: condition = condition + " and period in ('second', 'minute', 'hour')"
        case .budget?: condition = condition + " and period in ('day', 'week', 'month', 'lifetime')"
        case nil: break
        }
        return condition
    }
}
