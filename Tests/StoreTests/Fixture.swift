import Contract
import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport

/// Nouns with all they need around them, at moments one second apart, so that newer ones have higher IDs.
final class Fixture {
    let clock = FakeClock()

    var now: Timestamp {
        clock.advance(seconds: 1)
        return clock.now
    }

    func tenant(_ slug: String = "acme", _ connection: PostgresConnection) async throws -> Tenant {
        let now = now
        let tenant = Tenant(
            id: TenantID(at: now), slug: slug, name: "Acme \(slug)", createdAt: now, updatedAt: now)
        try await TenantStore.create(tenant, connection)
        return tenant
    }

    func workspace(
        _ slug: String = "main", of tenant: Tenant, _ connection: PostgresConnection
    ) async throws -> Workspace {
        let now = now
        let workspace = Workspace(
            id: WorkspaceID(at: now), tenant: tenant.id, slug: slug, name: "Main", createdAt: now,
            updatedAt: now)
        try await WorkspaceStore.create(workspace, connection)
        return workspace
    }

    func user(_ email: String = "ana@example.com", _ connection: PostgresConnection) async throws -> User {
        let now = now
        let user = User(id: UserID(at: now), email: email, name: "Ana", createdAt: now, updatedAt: now)
        try await UserStore.create(user, passwordHash: "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA", connection)
        return user
    }

    func provider(
        _ name: String = "openai", of tenant: Tenant?, _ connection: PostgresConnection
    ) async throws -> Provider {
        let now = now
        let url = BaseURL("https://api.openai.com/v1")
        let provider = Provider(
            id: ProviderID(at: now), tenant: tenant?.id, name: name, kind: .openAI, baseURL: url!,
            headers: [ExtraHeader(name: "x-b", value: "1"), ExtraHeader(name: "x-a", value: "2")],
            createdAt: now, updatedAt: now)
        try await ProviderStore.create(provider, connection)
        return provider
    }

    func model(
        _ name: String = "gpt-4o-mini", of provider: Provider, _ connection: PostgresConnection
    ) async throws -> Model {
        let now = now
        let model = Model(
            id: ModelID(at: now), provider: provider.id, tenant: provider.tenant, name: name,
            displayName: "GPT",
            contextWindow: 128_000, maximumOutput: nil, createdAt: now, updatedAt: now)
        try await ModelStore.create(model, connection)
        return model
    }

    func price(
        of model: Model, input: Int64 = 150_000_000, from: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws -> Price {
        let now = now
        let rates = PriceRates(input: input, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5)
        let price = Price(
            id: PriceID(at: now), model: model.id, tenant: model.tenant, rates: rates!,
            effectiveFrom: from ?? now, createdAt: now)
        _ = try await PriceStore.create(price, connection)
        return price
    }

    func route(
        _ name: String = "gpt", of tenant: Tenant, to models: [Model], _ connection: PostgresConnection
    ) async throws -> Route {
        let now = now
        let targets = models.enumerated().map { index, model in
            Target(model: model.id, weight: Int32(100 + index), priority: Int32(index))
        }
        let route = Route(
            id: RouteID(at: now), tenant: tenant.id, name: name, targets: targets, createdAt: now,
            updatedAt: now)
        try await RouteStore.create(route, connection)
        return route
    }

    func key(
        of workspace: Workspace, permitted: KeyPermissions = .everything, tags: [String] = [],
        _ connection: PostgresConnection
    ) async throws -> (key: Key, text: KeyText) {
        let now = now
        var generator = SystemRandomNumberGenerator()
        let text = KeyText(using: &generator)
        let key = Key(
            id: KeyID(at: now), tenant: workspace.tenant, workspace: workspace.id, name: "app",
            publicID: text.publicID, permitted: permitted, tags: tags, createdAt: now)
        try await KeyStore.create(key, secretHash: SecretHash(of: text), createdBy: nil, connection)
        return (key, text)
    }

    func joined(_ name: String = "node-1", _ connection: PostgresConnection) async throws -> Node {
        let now = now
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: name, region: "eu", createdBy: nil, createdAt: now,
            expires: now.advanced(bySeconds: 900))
        let hash = sha256("\(token.id)")
        try await JoinTokenStore.create(token, hash: hash, connection)
        let joining = NodeStore.Joining(
            id: NodeID(at: now), identityKey: sha256("identity \(token.id)").bytes,
            sealingKey: sha256("sealing \(token.id)").bytes, softwareVersion: "1.0")
        return try await NodeStore.join(joining, token: hash, at: now, connection)!
    }
}

/// All pages of a list, of which each has at most `limit` items.
func pages<Element, Noun>(
    limit: Int, _ fetch: (Page<Noun>) async throws -> Listing<Element, Noun>
) async throws -> [[Element]] {
    var pages: [[Element]] = []
    var after: ID<Noun>?
    repeat {
        let listing = try await fetch(Page(after: after, limit: limit))
        pages.append(listing.items)
        after = listing.next
    } while after != nil && pages.count < 100
    return pages
}
