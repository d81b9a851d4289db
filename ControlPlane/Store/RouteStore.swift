package import Domain
package import PostgresDriver

/// The model names a tenant's applications ask for, with their targets.
package enum RouteStore {
    /// A route with its targets as three arrays in the order of their positions.
    private static let selection: SQL =
        """
        select routes.tenant_id, routes.id, name, enabled, created_at, updated_at, models, weights, priorities
          from routes
         cross join lateral (
               select coalesce(array_agg(model_id order by position), '{}')          as models,
                      coalesce(array_agg(weight::int8 order by position), '{}')      as weights,
                      coalesce(array_agg(priority::int8 order by position), '{}')    as priorities
                 from route_targets
                where route_targets.tenant_id = routes.tenant_id and route_id = routes.id
               ) as targets
        """

    /// Fails on `Constraint.targetModelExists` when a target is neither the tenant's own model nor the
    /// platform's.
    package static func create(
        _ route: Route, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            with route as (
                insert into routes (tenant_id, id, name, enabled, created_at, updated_at)
                values (\(route.tenant), \(route.id), \(route.name), \(route.isEnabled), \(route.createdAt),
                        \(route.updatedAt))
                returning tenant_id, id
            )
            insert into route_targets
                   (tenant_id, route_id, position, model_tenant_id, model_id, weight, priority)
            \(fragment: targets(of: route))
            """)
    }

    package static func find(
        _ id: RouteID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Route? {
        let rows = try await connection.query(
            "\(fragment: selection) where routes.tenant_id = \(tenant) and routes.id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, _ page: Page<Route>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Route, Route> {
        let rows = try await connection.query(
            """
            \(fragment: selection)
             where routes.tenant_id = \(tenant) and routes.id < \(page.bound)
             order by routes.id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes name, state and targets. False: no such route, or (with `expecting`) changed since then.
    /// Fails like `create`.
    package static func update(
        _ route: Route, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            """
            with route as (
                update routes
                   set name = \(route.name), enabled = \(route.isEnabled), updated_at = \(route.updatedAt)
                 where tenant_id = \(route.tenant) and id = \(route.id)
                   and updated_at = coalesce(\(expecting), updated_at)
                returning tenant_id, id
            ), removed as (
                delete from route_targets
                 using route
                 where route_targets.tenant_id = route.tenant_id and route_id = route.id
                   and position >= \(route.targets.count)
            ), placed as (
                insert into route_targets
                       (tenant_id, route_id, position, model_tenant_id, model_id, weight, priority)
                \(fragment: targets(of: route))
                on conflict (tenant_id, route_id, position) do update
                   set model_tenant_id = excluded.model_tenant_id, model_id = excluded.model_id,
                       weight = excluded.weight, priority = excluded.priority
            )
            select count(*) from route
            """)
        return try rows.first?.int64(0) == 1
    }

    /// False: no such route.
    package static func delete(
        _ id: RouteID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from routes where tenant_id = \(tenant) and id = \(id)") == 1
    }

    /// Rows of `route_targets` for the row of `route`. A model that may not be named is given the tenant as
    /// its owner, so that the foreign key refuses it by name.
    private static func targets(of route: Route) -> SQL {
        """
        select route.tenant_id, route.id, target.number - 1, coalesce(models.tenant_id, route.tenant_id),
               target.model, target.weight, target.priority
          from route
         cross join unnest(\(route.targets.map(\.model)), \(route.targets.map(\.weight)),
                           \(route.targets.map(\.priority)))
                    with ordinality as target (model, weight, priority, number)
          left join models on models.id = target.model
                          and models.tenant_id in (route.tenant_id, \(TenantID.platform))
        """
    }

    private static func read(_ row: Row) throws(PostgresError) -> Route {
        let models = try row.uuidArray(6)
        let weights = try row.int64Array(7)
        let priorities = try row.int64Array(8)
        let targets = models.indices.map { index in
            Target(
                model: ID(models[index]), weight: Int32(clamping: weights[index]),
                priority: Int32(clamping: priorities[index]))
        }
        return Route(
            id: try row.id(1), tenant: try row.id(0), name: try row.text(2), targets: targets,
            isEnabled: try row.bool(3), createdAt: try row.timestamp(4), updatedAt: try row.timestamp(5))
    }
}
