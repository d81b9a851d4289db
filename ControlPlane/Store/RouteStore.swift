package import Domain
package import PostgresDriver

/// The model names a tenant's applications ask for, with their targets.
package enum RouteStore {
    static let routeColumns: SQL =
        """
        route.tenant_id, route.id, route.name, route.enabled, route.created_at, route.updated_at,
        route.strategy, route.affinity, route.attempts, route.attempts_per_target, route.backoff_ms,
        route.hedge_after_ms, route.connect_ms, route.first_byte_ms, route.first_token_ms,
        route.between_chunks_ms, route.total_ms, route.cache_seconds, route.cache_maximum_bytes,
        route.hedge_percentile, route.untranslated_fields
        """
    /// Behind `routeColumns`.
    static let targetColumns: SQL =
        """
        target.model_id, target.target_route_id, target.weight, target.priority, target.target_use,
        target.tags, target.minimum_input, target.maximum_input, target.needs, target.days,
        target.from_minute, target.until_minute, target.parameter_names, target.parameter_values
        """
    static let targetPosition = 21
    static let targetColumnCount = 14

    /// Fails on `Constraint.targetModelExists` when a target is neither the tenant's own model nor the
    /// platform's, and on `Constraint.targetRouteExists` when it is no route of the tenant.
    package static func create(
        _ route: Route, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let (rules, retries, timeouts) = (route.rules, route.rules.retries, route.rules.timeouts)
        try await connection.execute(
            """
            with route as (
                insert into routes (tenant_id, id, name, enabled, strategy, affinity, attempts,
                                    attempts_per_target, backoff_ms, hedge_after_ms, connect_ms,
                                    first_byte_ms, first_token_ms, between_chunks_ms, total_ms,
                                    cache_seconds, cache_maximum_bytes, hedge_percentile,
                                    untranslated_fields, created_at, updated_at)
                values (\(route.tenant), \(route.id), \(route.name), \(route.isEnabled),
                        \(rules.strategy.rawValue), \(rules.affinity.rawValue), \(retries.attempts),
                        \(retries.attemptsPerTarget), \(retries.backoff), \(retries.hedgeAfter),
                        \(timeouts.connect), \(timeouts.firstByte), \(timeouts.firstToken),
                        \(timeouts.betweenChunks), \(timeouts.total), \(rules.cache?.seconds),
                        \(rules.cache?.maximumBytes), \(retries.hedgePercentile),
                        \(rules.untranslated.rawValue), \(route.createdAt), \(route.updatedAt))
                returning tenant_id, id
            )
            \(fragment: inserted(targets: route))
            """)
    }

    package static func find(
        _ id: RouteID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Route? {
        let rows = try await connection.query(
            """
            select \(fragment: routeColumns), \(fragment: targetColumns)
              from routes as route
              left join route_targets as target on target.tenant_id = route.tenant_id and route_id = route.id
             where route.tenant_id = \(tenant) and route.id = \(id)
             order by position
            """)
        return try read(rows).first
    }

    package static func list(
        of tenant: TenantID, where filter: RouteFilter = RouteFilter(), _ page: Page<Route>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Route, Route> {
        let name: SQL = filter.name.map { "and name = \($0)" } ?? ""
        let enabled: SQL = filter.isEnabled.map { "and enabled = \($0)" } ?? ""
        let strategy: SQL = filter.strategy.map { "and strategy = \($0.rawValue)" } ?? ""
        let model: SQL =
            filter.model.map {
                """
                and exists (select from route_targets
                             where route_targets.tenant_id = routes.tenant_id and route_id = routes.id
                               and model_id = \($0))
                """
            } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: routeColumns), \(fragment: targetColumns)
              from (select *
                      from routes
                     where tenant_id = \(tenant) and id < \(page.bound)
                           \(fragment: name) \(fragment: enabled) \(fragment: strategy)
                           \(fragment: model) \(fragment: page.condition(onName: "name"))
                     order by id desc
                     limit \(page.fetchLimit)) as route
              left join route_targets as target on target.tenant_id = route.tenant_id and route_id = route.id
             order by route.id desc, position
            """)
        return page.listing(try read(rows), \.id)
    }

    /// Writes all of it. False: no such route, or (with `expecting`) changed since then. Fails like `create`.
    package static func update(
        _ route: Route, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let (rules, retries, timeouts) = (route.rules, route.rules.retries, route.rules.timeouts)
        let rows = try await connection.query(
            """
            with route as (
                update routes
                   set name = \(route.name), enabled = \(route.isEnabled),
                       strategy = \(rules.strategy.rawValue), affinity = \(rules.affinity.rawValue),
                       attempts = \(retries.attempts), attempts_per_target = \(retries.attemptsPerTarget),
                       backoff_ms = \(retries.backoff), hedge_after_ms = \(retries.hedgeAfter),
                       connect_ms = \(timeouts.connect), first_byte_ms = \(timeouts.firstByte),
                       first_token_ms = \(timeouts.firstToken),
                       between_chunks_ms = \(timeouts.betweenChunks), total_ms = \(timeouts.total),
                       cache_seconds = \(rules.cache?.seconds),
                       cache_maximum_bytes = \(rules.cache?.maximumBytes),
                       hedge_percentile = \(retries.hedgePercentile),
                       untranslated_fields = \(rules.untranslated.rawValue),
                       updated_at = \(route.updatedAt)
                 where tenant_id = \(route.tenant) and id = \(route.id)
                   and updated_at = coalesce(\(expecting), updated_at)
                returning tenant_id, id
            ), removed as (
                delete from route_targets
                 using route
                 where route_targets.tenant_id = route.tenant_id and route_id = route.id
                   and position >= \(route.targets.count)
            ), placed as (
                \(fragment: inserted(targets: route))
                on conflict (tenant_id, route_id, position) do update
                   set model_tenant_id = excluded.model_tenant_id, model_id = excluded.model_id,
                       target_route_id = excluded.target_route_id, weight = excluded.weight,
                       priority = excluded.priority, target_use = excluded.target_use,
                       tags = excluded.tags, minimum_input = excluded.minimum_input,
                       maximum_input = excluded.maximum_input, needs = excluded.needs,
                       days = excluded.days, from_minute = excluded.from_minute,
                       until_minute = excluded.until_minute,
                       parameter_names = excluded.parameter_names,
                       parameter_values = excluded.parameter_values
            )
            select count(*) from route
            """)
        return try rows.first?.int64(0) == 1
    }

    /// False: no such route. Fails on `Constraint.targetRouteExists` while another route names it.
    package static func delete(
        _ id: RouteID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from routes where tenant_id = \(tenant) and id = \(id)") == 1
    }

    /// How the routes of a tenant lead into each other: those that do, those led to, and `others`. Until the
    /// transaction ends nobody else gets to see it, so that what is checked against it stays true.
    package static func lockedGraph(
        of tenant: TenantID, with others: [RouteID], _ connection: PostgresConnection
    ) async throws(PostgresError) -> RouteGraph {
        let name = "eclusa.routes.\(tenant)"
        _ = try await connection.query("select pg_advisory_xact_lock(hashtextextended(\(name), 0))")
        let rows = try await connection.query(
            """
            select routes.id, name, count(model_id),
                   coalesce(array_agg(target_route_id order by position)
                            filter (where target_route_id is not null), '{}')
              from routes
              join route_targets on route_targets.tenant_id = routes.tenant_id and route_id = routes.id
             where routes.tenant_id = \(tenant)
               and (routes.id = any(\(others))
                    or routes.id in (select unnest(array[inner_targets.route_id, target_route_id])
                                       from route_targets as inner_targets
                                      where inner_targets.tenant_id = \(tenant)
                                        and target_route_id is not null))
             group by routes.id, name
            """)
        let nodes = try rows.read { row throws(PostgresError) in
            (
                try row.id(0) as RouteID,
                RouteGraph.Node(
                    name: try row.text(1), modelCount: Int(try row.int64(2)),
                    routes: try row.uuidArray(3).map { RouteID($0) })
            )
        }
        return RouteGraph(Dictionary(nodes) { first, _ in first })
    }

    /// Of a route's targets those that are there: models of its tenant and shared ones, routes of its tenant.
    package static func targets(
        of route: Route, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (models: Set<ModelID>, routes: Set<RouteID>) {
        let (models, routes) = (route.targets.compactMap(\.model), route.targets.compactMap(\.route))
        let rows = try await connection.query(
            """
            select true, id
              from models
             where tenant_id in (\(route.tenant), \(TenantID.platform)) and id = any(\(models))
            union all
            select false, id from routes where tenant_id = \(route.tenant) and id = any(\(routes))
            """)
        var found: (models: Set<ModelID>, routes: Set<RouteID>) = ([], [])
        for row in rows {
            if try row.bool(0) {
                found.models.insert(try row.id(1))
            } else {
                found.routes.insert(try row.id(1))
            }
        }
        return found
    }

    // MARK: Writing

    /// Rows of `route_targets` for the row of `route`. A model that may not be named is given the tenant as
    /// its owner, so that the foreign key refuses it by name.
    private static func inserted(targets route: Route) -> SQL {
        var rows: SQL = ""
        for (index, target) in route.targets.enumerated() {
            rows = rows + (index == 0 ? "" : ", ") + values(of: target, at: index)
        }
        return """
            insert into route_targets
                   (tenant_id, route_id, position, model_tenant_id, model_id, target_route_id, weight,
                    priority, target_use, tags, minimum_input, maximum_input, needs, days, from_minute,
                    until_minute, parameter_names, parameter_values)
            select route.tenant_id, route.id, target.position,
                   case when target.model is not null
                        then coalesce(models.tenant_id, route.tenant_id) end,
                   target.model, target.route, target.weight, target.priority, target.use, target.tags,
                   target.minimum_input, target.maximum_input, target.needs, target.days,
                   target.from_minute, target.until_minute, target.parameter_names,
                   target.parameter_values
              from route
             cross join (values \(fragment: rows))
                     as target (position, model, route, weight, priority, use, tags, minimum_input,
                                maximum_input, needs, days, from_minute, until_minute, parameter_names,
                                parameter_values)
              left join models on models.id = target.model
                              and models.tenant_id in (route.tenant_id, \(TenantID.platform))
            """
    }

    private static func values(of target: Target, at index: Int) -> SQL {
        let (terms, conditions) = (target.terms, target.terms.conditions)
        let hours = conditions.hours
        return """
            (\(index), \(target.model), \(target.route), \(terms.weight), \(terms.priority),
             \(terms.use.rawValue), \(conditions.tags), \(conditions.minimumInput),
             \(conditions.maximumInput), \(conditions.needs.members.map(\.rawValue)),
             \(hours.map { Int32($0.days) }), \(hours?.from), \(hours?.until),
             \(terms.parameters.map(\.name)), \(terms.parameters.map(\.json)))
            """
    }

    // MARK: Reading

    /// Routes of rows in which those of one stand together.
    private static func read(_ rows: Rows) throws(PostgresError) -> [Route] {
        var routes: [Route] = []
        for row in rows {
            if routes.last?.id != (try row.id(1)) { routes.append(try readRoute(row, targets: [])) }
            let isTarget = try row.optionalInt64(targetPosition + 2) != nil
            if isTarget { routes[routes.count - 1].targets.append(try readTarget(row)) }
        }
        return routes
    }

    static func readRoute(_ row: Row, targets: [Target]) throws(PostgresError) -> Route {
        let retries = RetryRules(
            attempts: try row.int32(8), attemptsPerTarget: try row.int32(9), backoff: try row.int32(10),
            hedgeAfter: try row.int32(11), hedgePercentile: try row.int32(19))
        let timeouts = RouteTimeouts(
            connect: try row.optionalInt32(12), firstByte: try row.optionalInt32(13),
            firstToken: try row.optionalInt32(14), betweenChunks: try row.optionalInt32(15),
            total: try row.optionalInt32(16))
        var cache: RouteCache?
        if let seconds = try row.optionalInt32(17), let bytes = try row.optionalInt32(18) {
            cache = RouteCache(seconds: seconds, maximumBytes: bytes)
        }
        return Route(
            id: try row.id(1), tenant: try row.id(0), name: try row.text(2), targets: targets,
            rules: RouteRules(
                strategy: try row.value(6, RouteStrategy.init(rawValue:)),
                affinity: try row.value(7, RouteAffinity.init(rawValue:)), retries: retries,
                timeouts: timeouts, cache: cache,
                untranslated: try row.value(20, UntranslatedFields.init(rawValue:))),
            isEnabled: try row.bool(3), createdAt: try row.timestamp(4), updatedAt: try row.timestamp(5))
    }

    static func readTarget(_ row: Row) throws(PostgresError) -> Target {
        let first = targetPosition
        var destination: Target.Destination?
        if let model: ModelID = try row.optionalID(first) { destination = .model(model) }
        if let route: RouteID = try row.optionalID(first + 1) { destination = .route(route) }
        guard let destination else { throw row.unreadable(first) }
        var hours: WeeklyHours?
        if let days = try row.optionalInt32(first + 9) {
            hours = WeeklyHours(
                days: UInt8(clamping: days), from: try row.int32(first + 10),
                until: try row.int32(first + 11))
        }
        let needs = try row.textArray(first + 8).compactMap(ModelCapability.init(rawValue:))
        let parameters = zip(try row.textArray(first + 12), try row.textArray(first + 13))
        return Target(
            destination,
            TargetTerms(
                weight: try row.int32(first + 2), priority: try row.int32(first + 3),
                use: try row.value(first + 4, TargetUse.init(rawValue:)),
                conditions: TargetConditions(
                    tags: try row.textArray(first + 5), minimumInput: try row.int64(first + 6),
                    maximumInput: try row.optionalInt64(first + 7), needs: CapabilitySet(needs),
                    hours: hours),
                parameters: parameters.map { TargetParameter(name: $0, json: $1) }))
    }
}
