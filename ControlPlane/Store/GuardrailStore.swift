package import Domain
package import PostgresDriver

/// Rules of a tenant about what goes into calls and comes out of them.
package enum GuardrailStore {
    static let columns: SQL =
        """
        tenant_id, id, name, workspace_id, route_id, key_id, kind, action, sides, mode, enabled, texts,
        personal_data, maximum_messages, maximum_characters, maximum_tokens, created_at, updated_at,
        webhook_url, webhook_timeout_ms, webhook_on_failure, secret_overlap_until
        """
    /// Behind `columns`, for what nodes get.
    static let secretColumns: SQL = "secret, fleet_key_id, fleet_secret"

    /// Fails on `guardrailNameIsUnique`, `guardrailWorkspaceExists`, `guardrailRouteExists` and
    /// `guardrailKeyExists` of `Constraint`.
    ///
    /// - Parameter secret: what signs the questions of a webhook; of that kind, and no other, it has one.
    package static func create(
        _ guardrail: Guardrail, secret: StoredCredential? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        var (workspace, route, key): (WorkspaceID?, RouteID?, KeyID?) = (nil, nil, nil)
        switch guardrail.subject {
        case .tenant: break
        case .workspace(let id): workspace = id
        case .route(let id): route = id
        case .key(let id): key = id
        }
        let (rule, size, webhook) = (guardrail.rule, guardrail.rule.size, guardrail.rule.webhook)
        try await connection.execute(
            """
            insert into guardrails (\(fragment: columns), \(fragment: secretColumns))
            values (\(guardrail.tenant), \(guardrail.id), \(guardrail.name), \(workspace), \(route), \(key),
                    \(rule.kind.rawValue), \(rule.action.rawValue), \(guardrail.sides.names),
                    \(guardrail.mode.rawValue), \(guardrail.isEnabled), \(rule.texts),
                    \(rule.personalData.map(\.rawValue)), \(size.messages), \(size.characters),
                    \(size.tokens), \(guardrail.createdAt), \(guardrail.updatedAt),
                    \(webhook?.url.description), \(webhook?.timeout), \(webhook?.onFailure.rawValue),
                    \(webhook?.overlapUntil), \(secret?.sealed), \(secret?.forFleet?.fleetKey),
                    \(secret?.forFleet?.sealed))
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

    /// How many a tenant has, and how many of them are webhooks.
    package static func count(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (all: Int, webhooks: Int) {
        let rows = try await connection.query(
            """
            select count(*), count(*) filter (where kind = 'webhook') from guardrails
             where tenant_id = \(tenant)
            """)
        guard let row = rows.first else { return (0, 0) }
        return (Int(try row.int64(0)), Int(try row.int64(1)))
    }

    /// Writes all but the subject, which never changes. False: no such guardrail, or (with `expecting`)
    /// changed since then. Fails like `create`.
    ///
    /// - Parameter secret: a new one; nil: the one it has stays.
    package static func update(
        _ guardrail: Guardrail, secret: StoredCredential? = nil, expecting: Timestamp? = nil,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let (rule, size, webhook) = (guardrail.rule, guardrail.rule.size, guardrail.rule.webhook)
        let replacement: SQL =
            secret.map { secret in
                """
                , secret = \(secret.sealed), fleet_key_id = \(secret.forFleet?.fleetKey),
                fleet_secret = \(secret.forFleet?.sealed)
                """
            } ?? ""
        let count = try await connection.execute(
            """
            update guardrails
               set name = \(guardrail.name), kind = \(rule.kind.rawValue), action = \(rule.action.rawValue),
                   sides = \(guardrail.sides.names), mode = \(guardrail.mode.rawValue),
                   enabled = \(guardrail.isEnabled), texts = \(rule.texts),
                   personal_data = \(rule.personalData.map(\.rawValue)),
                   maximum_messages = \(size.messages), maximum_characters = \(size.characters),
                   maximum_tokens = \(size.tokens), webhook_url = \(webhook?.url.description),
                   webhook_timeout_ms = \(webhook?.timeout),
                   webhook_on_failure = \(webhook?.onFailure.rawValue),
                   secret_overlap_until = \(webhook?.overlapUntil), updated_at = \(guardrail.updatedAt)
                   \(fragment: replacement)
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

    /// What signs the questions of a webhook, as it is kept; nil: there is no such guardrail, or it is none.
    package static func secret(
        of id: GuardrailID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> StoredCredential? {
        let rows = try await connection.query(
            "select \(fragment: secretColumns) from guardrails where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.flatMap { row throws(PostgresError) in try readSecret(row, from: 0) }
    }

    /// Keeps the secret as it is sealed for the fleet. Does nothing when it was replaced meanwhile.
    package static func setFleetSeal(
        _ seal: StoredCredential.FleetSeal, for secret: StoredCredential, of id: GuardrailID,
        in tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update guardrails
               set fleet_key_id = \(seal.fleetKey), fleet_secret = \(seal.sealed)
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and secret = \(secret.sealed)
            """)
    }

    /// Those of a tenant that ask somebody, with their secrets, and gives their number.
    package static func deleteWebhooks(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            "delete from guardrails where tenant_id = \(tenant) and kind = 'webhook'")
    }

    fileprivate static func readSecret(
        _ row: Row, from first: Int
    ) throws(PostgresError) -> StoredCredential? {
        guard let sealed = try row.optionalBytes(first) else { return nil }
        var seal: StoredCredential.FleetSeal?
        if let fleetKey: FleetKeyID = try row.optionalID(first + 1) {
            seal = StoredCredential.FleetSeal(fleetKey: fleetKey, sealed: try row.bytes(first + 2))
        }
        return StoredCredential(sealed: sealed, hint: "", forFleet: seal)
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
                personalData: try row.textArray(12).compactMap(PersonalDatum.init(rawValue:)), size: size,
                webhook: try readWebhook(row)),
            sides: GuardrailSides(names: try row.textArray(8)),
            mode: try row.value(9, GuardrailMode.init(rawValue:)), isEnabled: try row.bool(10),
            createdAt: try row.timestamp(16), updatedAt: try row.timestamp(17))
    }

    private static func readWebhook(_ row: Row) throws(PostgresError) -> GuardrailWebhook? {
        guard try row.optionalText(18) != nil else { return nil }
        return GuardrailWebhook(
            url: try row.value(18) { BaseURL($0) }, timeout: try row.int32(19),
            onFailure: try row.value(20, GuardrailFailure.init(rawValue:)),
            overlapUntil: try row.optionalTimestamp(21))
    }
}

extension SnapshotExport {
    /// A guardrail with what signs its questions, if it asks somebody.
    package struct ExportedGuardrail: Hashable, Sendable {
        package let guardrail: Guardrail
        package let secret: StoredCredential?
    }

    /// The guardrails that are switched on.
    package static func guardrails(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ExportedGuardrail] {
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: GuardrailStore.columns), \(fragment: GuardrailStore.secretColumns)
              from guardrails
             where enabled \(fragment: filter)
             order by tenant_id, id
            """)
        return try rows.read { row throws(PostgresError) in
            ExportedGuardrail(
                guardrail: try GuardrailStore.read(row), secret: try GuardrailStore.readSecret(row, from: 22))
        }
    }
}
