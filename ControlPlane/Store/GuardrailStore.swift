package import Contract
package import Domain
package import PostgresDriver

/// Rules of a tenant about what goes into calls and comes out of them.
package enum GuardrailStore {
    static let columns: SQL =
        """
        tenant_id, id, name, workspace_id, route_id, key_id, kind, action, sides, mode, enabled, texts,
        personal_data, maximum_messages, maximum_characters, maximum_tokens, created_at, updated_at
        """

    /// Fails on `guardrailNameIsUnique`, `guardrailWorkspaceExists`, `guardrailRouteExists` and
    /// `guardrailKeyExists` of `Constraint`.
    package static func create(
        _ guardrail: Guardrail, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        var (workspace, route, key): (WorkspaceID?, RouteID?, KeyID?) = (nil, nil, nil)
        switch guardrail.subject {
        case .tenant: break
        case .workspace(let id): workspace = id
        case .route(let id): route = id
        case .key(let id): key = id
        }
        let (rule, size) = (guardrail.rule, guardrail.rule.size)
        try await connection.execute(
            """
            insert into guardrails (\(fragment: columns))
            values (\(guardrail.tenant), \(guardrail.id), \(guardrail.name), \(workspace), \(route), \(key),
                    \(rule.kind.rawValue), \(rule.action.rawValue), \(guardrail.sides.names),
                    \(guardrail.mode.rawValue), \(guardrail.isEnabled), \(rule.texts),
                    \(rule.personalData.map(\.rawValue)), \(size.messages), \(size.characters),
                    \(size.tokens), \(guardrail.createdAt), \(guardrail.updatedAt))
            """)
    }

    package static func find(
        _ id: GuardrailID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Guardrail? {
        let rows = try await connection.query(
            "select \(fragment: columns) from guardrails where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    /// The guardrails of a tenant, newest first.
    package static func list(
        of tenant: TenantID, where filter: GuardrailFilter = GuardrailFilter(), _ page: Page<Guardrail>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Guardrail, Guardrail> {
        let kind: SQL = filter.kind.map { "and kind = \($0.rawValue)" } ?? ""
        let mode: SQL = filter.mode.map { "and mode = \($0.rawValue)" } ?? ""
        let enabled: SQL = filter.isEnabled.map { "and enabled = \($0)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from guardrails
             where tenant_id = \(tenant) and id < \(page.bound)
                   \(fragment: kind) \(fragment: mode) \(fragment: enabled)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    package static func count(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let rows = try await connection.query(
            "select count(*) from guardrails where tenant_id = \(tenant)")
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// Writes all but the subject, which never changes. False: no such guardrail, or (with `expecting`)
    /// changed since then. Fails like `create`.
    package static func update(
        _ guardrail: Guardrail, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let (rule, size) = (guardrail.rule, guardrail.rule.size)
        let count = try await connection.execute(
            """
            update guardrails
               set name = \(guardrail.name), kind = \(rule.kind.rawValue), action = \(rule.action.rawValue),
                   sides = \(guardrail.sides.names), mode = \(guardrail.mode.rawValue),
                   enabled = \(guardrail.isEnabled), texts = \(rule.texts),
                   personal_data = \(rule.personalData.map(\.rawValue)),
                   maximum_messages = \(size.messages), maximum_characters = \(size.characters),
                   maximum_tokens = \(size.tokens), updated_at = \(guardrail.updatedAt)
             where tenant_id = \(guardrail.tenant) and id = \(guardrail.id)
               and updated_at = coalesce(\(expecting), updated_at)
            """)
        return count == 1
    }

    /// False: no such guardrail.
    package static func delete(
        _ id: GuardrailID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from guardrails where tenant_id = \(tenant) and id = \(id)") == 1
    }

    static func read(_ row: Row) throws(PostgresError) -> Guardrail {
        var subject = GuardrailSubject.tenant
        if let workspace: WorkspaceID = try row.optionalID(3) { subject = .workspace(workspace) }
        if let route: RouteID = try row.optionalID(4) { subject = .route(route) }
        if let key: KeyID = try row.optionalID(5) { subject = .key(key) }
        let size = GuardrailSize(
            messages: try row.optionalInt64(13), characters: try row.optionalInt64(14),
            tokens: try row.optionalInt64(15))
        return Guardrail(
            id: try row.id(1), tenant: try row.id(0), name: try row.text(2), subject: subject,
            rule: GuardrailRule(
                kind: try row.value(6, GuardrailKind.init(rawValue:)),
                action: try row.value(7, GuardrailAction.init(rawValue:)), texts: try row.textArray(11),
                personalData: try row.textArray(12).compactMap(PersonalDatum.init(rawValue:)), size: size),
            sides: GuardrailSides(names: try row.textArray(8)),
            mode: try row.value(9, GuardrailMode.init(rawValue:)), isEnabled: try row.bool(10),
            createdAt: try row.timestamp(16), updatedAt: try row.timestamp(17))
    }
}

extension SnapshotExport {
    /// The guardrails that are switched on.
    package static func guardrails(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [GuardrailEntry] {
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: GuardrailStore.columns)
              from guardrails
             where enabled \(fragment: filter)
             order by tenant_id, id
            """)
        return try rows.read(GuardrailStore.read).map { GuardrailEntry($0) }
    }
}
