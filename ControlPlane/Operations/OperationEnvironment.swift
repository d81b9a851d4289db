package import Cryptography
package import Domain
package import EventLoops
package import OpenID
package import PostgresDriver
import Store
package import Telemetry

/// What the operations of one loop work with. Non-Sendable: it lives on its loop.
package struct OperationEnvironment {
    private(set) var database: Database
    let clock: WallClock
    let keys: PlatformKeys
    let hashing: BlockingPool
    let passwordCost: PasswordHash.Cost
    /// Checked for unknown users, so that they take as long as known ones.
    let decoy: PasswordHash
    let passwords: PasswordPolicy
    /// The way out to identity providers; nil: there is none.
    let openID: OpenIDClient?
    let nodeURL: String
    /// Where people reach the control plane, without a slash at its end.
    package let publicURL: String
    /// Where Grafana is, without a slash at its end; nil: there is none.
    let grafanaURL: String?
    let log: Log
    let egressRefusal: (BaseURL) -> String?
    /// Whether this installation makes backups that are asked for.
    let keepsBackups: Bool
    /// What a payment provider's messages are signed with; nil: none are taken.
    let paymentSecret: Secret?
    let probe: (ProviderProbe) async -> ProviderProbe.Answer
    let post: (WebhookPost) async -> WebhookPost.Answer
    private var changed: () -> Void
    /// What a write locks before it reads anything: of writers of one thing, each finds what the one before
    /// it left.
    private var lock: RequestTerms.Lock?
    private let state = State()

    /// What changes while requests are served; one a loop.
    private final class State {
        var refusals = TokenBuckets<UserID>(
            perSecond: AuditOperations.refusalsPerSecond, burst: AuditOperations.refusalBurst)
        let verifiedTokens = VerifiedTokens()
    }

    /// - `hashing`: passwords are hashed there; full means 503.
    /// - `nodeURL`: where nodes reach the control plane; goes into join bundles.
    /// - `passwordCost`: of new hashes; older ones are made anew at the next sign-in.
    /// - `publicURL`: what links in messages to people begin with.
    /// - `paymentSecret`: what messages of a payment provider are signed with.
    /// - `egressRefusal`: why providers may not be at an address; nil when they may.
    /// - `probe`: asks a provider for its list of models, through the egress policy and within its time.
    /// - `post`: sends a message to a webhook, through the egress policy and within its time.
    /// - `changed`: called after every committed write; wakes the publisher.
    package init(
        database: PostgresPool, clock: WallClock, keys: PlatformKeys, hashing: BlockingPool,
        passwordCost: PasswordHash.Cost = .standard, passwords: PasswordPolicy = PasswordPolicy(),
        openID: OpenIDClient? = nil,
        nodeURL: String, publicURL: String = "http://127.0.0.1:7070", grafanaURL: String? = nil,
        keepsBackups: Bool = false, paymentSecret: Secret? = nil, log: Log,
        egressRefusal: @escaping (BaseURL) -> String? = { _ in nil },
        probe: @escaping (ProviderProbe) async -> ProviderProbe.Answer = { _ in .unreachable("no client") },
        post: @escaping (WebhookPost) async -> WebhookPost.Answer = { _ in .unreachable("no client") },
        changed: @escaping () -> Void
    ) throws(CryptographyError) {
        self.database = Database(database)
        self.clock = clock
        self.keys = keys
        self.hashing = hashing
        self.passwordCost = passwordCost
        decoy = try PasswordHash.decoy(cost: passwordCost)
        self.passwords = passwords
        self.openID = openID
        self.nodeURL = nodeURL
        self.publicURL = publicURL.last == "/" ? String(publicURL.dropLast()) : publicURL
        self.grafanaURL = grafanaURL.map { $0.last == "/" ? String($0.dropLast()) : $0 }
        self.keepsBackups = keepsBackups
        self.paymentSecret = paymentSecret
        self.log = log
        self.egressRefusal = egressRefusal
        self.probe = probe
        self.post = post
        self.changed = changed
    }

    /// Where a browser comes back to from an identity provider: each has an address of its own.
    package func redirectURI(of provider: IdentityProviderID) -> String {
        "\(publicURL)/sign-in/callback/\(provider)"
    }

    func mayRecordRefusal(of user: UserID, at now: Timestamp) -> Bool {
        state.refusals.take(user, at: now) == nil
    }

    /// Who an access token says is calling.
    func bearer(of token: String, at now: Timestamp) throws(OperationError) -> AccessTokens.Bearer {
        try state.verifiedTokens.bearer(of: token, by: keys.accessTokens, now: now)
    }

    /// The same, with everything a part of one transaction; whether to wake the publisher after it is left in
    /// `signal`.
    func inside(_ connection: PostgresConnection, _ signal: ChangeSignal) -> OperationEnvironment {
        var inner = self
        inner.database.current = connection
        inner.changed = { signal.isRaised = true }
        return inner
    }

    /// The same, for a request that changes one thing.
    func locking(_ lock: RequestTerms.Lock) -> OperationEnvironment {
        var inner = self
        inner.lock = lock
        return inner
    }

    /// Wakes the publisher.
    func announceChange() { changed() }

    /// Reads in one moment's view, after the caller was found to be allowed.
    func read<Value>(
        _ permission: Permission, in scope: Scope, by caller: Caller,
        _ body: (PostgresConnection) async throws -> Value
    ) async throws(OperationError) -> Value {
        try caller.demand(permission, in: scope)
        return try await view(of: scope.tenant, body)
    }

    /// Reads in one moment's view of a tenant, or (nil) of the platform; the caller has been authorised by
    /// other means.
    func view<Value>(
        of tenant: TenantID? = nil, _ body: (PostgresConnection) async throws -> Value
    ) async throws(OperationError) -> Value {
        do {
            return try await database.withTenant(tenant, .readOnlySnapshot) { connection in
                guard let tenant else { return try await body(connection) }
                // Whether there is the tenant is found out on the way: without one there is nothing to read.
                let asked = connection.sendAlong(TenantStore.statement(tenant))
                let result: Result<Value, any Error>
                do { result = .success(try await body(connection)) } catch { result = .failure(error) }
                if case .failure(let error) = result, error is PostgresError { throw error }
                _ = try found(try TenantStore.tenant(try await connection.rows(of: asked)))
                return try result.get()
            }
        } catch {
            throw OperationError(error)
        }
    }

    /// Reads in one moment's view over all tenants: for lists of the platform, and to find out what somebody
    /// may do. The caller has been authorised by other means.
    func viewAcrossTenants<Value>(
        _ body: (PostgresConnection) async throws -> Value
    ) async throws(OperationError) -> Value {
        do { return try await database.acrossTenants(body) } catch { throw OperationError(error) }
    }

    /// One write: authorise, one transaction with the audit row in it, wake the publisher. `action` is
    /// `noun.verb`.
    ///
    /// `body` must give back what it did to what: there is no write without its audit row. It may run again
    /// when Postgres asks for it, so it has no effect outside the database. It sees the rows of the scope's
    /// tenant, or of the platform; for those of others see `TenantIsolation.visit`.
    func write<Value: Sendable>(
        _ action: String, _ permission: Permission, in scope: Scope, by caller: Caller,
        _ body: (PostgresConnection) async throws -> Recorded<Value>
    ) async throws(OperationError) -> Changed<Value> {
        try caller.demand(permission, in: scope)
        return try await write(action, in: scope, by: AuditActor(caller), body)
    }

    /// As above for those who need no permission: users about themselves, and the system.
    func write<Value: Sendable>(
        _ action: String, in scope: Scope, by actor: AuditActor,
        _ body: (PostgresConnection) async throws -> Recorded<Value>
    ) async throws(OperationError) -> Changed<Value> {
        let result: Changed<Value>
        do {
            result = try await database.withTenant(scope.tenant) { connection in
                // It goes along with the first statement, and so is there before anything is read.
                let locking = lock?.statement.map { connection.sendAlong($0) }
                if try await Self.require(scope.tenant, connection)?.status == .deleting {
                    throw OperationError(.conflict, detail: "The tenant is being deleted.")
                }
                if let locking { _ = try await connection.rows(of: locking) }
                let done = try await body(connection)
                // The head of the audit chain is a lock that all writes of the tenant share: take it last.
                try await record(done.subject, action, in: scope, by: actor, connection)
                return Changed(done.value, token: try await Self.token(connection))
            }
        } catch {
            throw OperationError(error)
        }
        changed()
        return result
    }

    @discardableResult
    private static func require(
        _ tenant: TenantID?, _ connection: PostgresConnection
    ) async throws -> Tenant? {
        guard let tenant else { return nil }
        return try found(try await TenantStore.find(tenant, connection))
    }
}
