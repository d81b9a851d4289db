import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("providers, models, prices")
struct ProviderStoreTests {
    @Test("a provider is found as it was written, by its owner only")
    func roundTrip() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let own = try await fixture.provider("openai", of: mine, connection)
                let shared = try await fixture.provider("openai", of: nil, connection)
                for (owner, expected) in [(mine.id, own), (nil, shared)] as [(TenantID?, Provider)] {
                    let found = try await ProviderStore.find(expected.id, of: owner, connection)
                    #expect(found == expected)
                    let listed = try await ProviderStore.list(of: owner, Page(), connection)
                    #expect(listed.items == [expected])
                }
                let foreign = try await ProviderStore.find(own.id, of: other.id, connection)
                let asShared = try await ProviderStore.find(own.id, of: nil, connection)
                #expect(foreign == nil && asShared == nil)
                let duplicate = await postgresFailure { try await fixture.provider(of: mine, connection) }
                #expect(duplicate?.constraint == Constraint.providerNameIsUnique)
            }
        }
    }

    @Test("a provider is changed and deleted by its owner only, unless somebody was faster")
    func changes() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                var provider = try await fixture.provider(of: mine, connection)
                let seen = provider.updatedAt
                provider.name = "renamed"
                provider.kind = .anthropic
                provider.baseURL = try #require(BaseURL("http://127.0.0.1:9100"))
                provider.headers = []
                provider.timeouts = ProviderTimeouts(connect: 1, firstByte: 2, betweenChunks: 3, total: 4)
                provider.isEnabled = false
                provider.updatedAt = fixture.now
                let updated = try await ProviderStore.update(provider, expecting: seen, connection)
                let late = try await ProviderStore.update(provider, expecting: seen, connection)
                #expect(updated == provider && late == nil)
                let foreign = try await ProviderStore.delete(
                    provider.id, of: other.id, at: fixture.now, connection)
                let asShared = try await ProviderStore.delete(
                    provider.id, of: nil, at: fixture.now, connection)
                let own = try await ProviderStore.delete(
                    provider.id, of: mine.id, at: fixture.now, connection)
                #expect(!foreign && !asShared && own)
            }
        }
    }

    @Test("a credential is set, replaced, sealed for the fleet and removed")
    func credentials() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let provider = try await fixture.provider(of: mine, connection)
                let none = try await ProviderStore.credential(of: provider.id, ownedBy: mine.id, connection)
                #expect(none == nil)
                let first = StoredCredential(sealed: [1, 2, 3], hint: "wxyz", forFleet: nil)
                let foreign = try await ProviderStore.setCredential(
                    first, of: provider.id, ownedBy: other.id, at: fixture.now, connection)
                let own = try await ProviderStore.setCredential(
                    first, of: provider.id, ownedBy: mine.id, at: fixture.now, connection)
                #expect(!foreign && own)
                let shown = try await ProviderStore.find(provider.id, of: mine.id, connection)
                #expect(shown?.credentialHint == "wxyz")

                let seal = StoredCredential.FleetSeal(fleetKey: FleetKeyID(at: fixture.now), sealed: [9])
                try await ProviderStore.setFleetSeal(
                    seal, for: first, of: provider.id, ownedBy: mine.id, connection)
                let sealed = try await ProviderStore.credential(of: provider.id, ownedBy: mine.id, connection)
                #expect(sealed == StoredCredential(sealed: [1, 2, 3], hint: "wxyz", forFleet: seal))

                let second = StoredCredential(sealed: [4], hint: "abcd", forFleet: nil)
                _ = try await ProviderStore.setCredential(
                    second, of: provider.id, ownedBy: mine.id, at: fixture.now, connection)
                // A seal of the old credential that comes late must not stand beside the new one.
                try await ProviderStore.setFleetSeal(
                    seal, for: first, of: provider.id, ownedBy: mine.id, connection)
                let replaced = try await ProviderStore.credential(
                    of: provider.id, ownedBy: mine.id, connection)
                #expect(replaced == second)
                let listed = try await ProviderStore.withCredentials(limit: 10, connection)
                #expect(listed == [provider.id])

                let all = try await ProviderStore.credentials(
                    of: provider.id, ownedBy: mine.id, connection)
                let only = try #require(all.first)
                #expect(all.count == 1 && only.hint == "abcd" && only.weight == 100)
                let foreignRemoval = try await ProviderStore.removeCredential(
                    only.id, of: provider.id, ownedBy: other.id, connection)
                let removal = try await ProviderStore.removeCredential(
                    only.id, of: provider.id, ownedBy: mine.id, connection)
                let again = try await ProviderStore.removeCredential(
                    only.id, of: provider.id, ownedBy: mine.id, connection)
                #expect(!foreignRemoval && removal && !again)
            }
        }
    }

    @Test("several credentials are exported with their weights; disabled ones stay at home")
    func severalCredentials() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let provider = try await fixture.provider(of: mine, connection)
                var credentials: [ProviderCredential] = []
                for index in 0..<ProviderCredential.maximumCount {
                    let now = fixture.now
                    let credential = ProviderCredential(
                        id: CredentialID(at: now), provider: provider.id, name: "c\(index)", hint: "",
                        weight: Int32(index + 1), createdAt: now, updatedAt: now)
                    let stored = StoredCredential(sealed: [UInt8(index)], hint: "", forFleet: nil)
                    let isAdded = try await ProviderStore.addCredential(
                        credential, stored, ownedBy: mine.id, connection)
                    #expect(isAdded)
                    credentials.append(credential)
                }
                let now = fixture.now
                let beyond = ProviderCredential(
                    id: CredentialID(at: now), provider: provider.id, name: "", hint: "", createdAt: now,
                    updatedAt: now)
                let isAdded = try await ProviderStore.addCredential(
                    beyond, StoredCredential(sealed: [99], hint: "", forFleet: nil), ownedBy: mine.id,
                    connection)
                #expect(!isAdded)
                credentials[3].isEnabled = false
                credentials[4].weight = 999
                for changed in credentials[3...4] {
                    let isWritten = try await ProviderStore.updateCredential(
                        changed, nil, ownedBy: mine.id, connection)
                    #expect(isWritten)
                }
                let listed = try await ProviderStore.credentials(
                    of: provider.id, ownedBy: mine.id, connection)
                #expect(listed == credentials)
                let exported = try await SnapshotExport.providers(connection).first?.credentials
                #expect(exported?.map(\.id) == credentials.filter(\.isEnabled).map(\.id))
                #expect(exported?[3].weight == 999)
            }
        }
    }

    @Test("a tenant can use its own models and the platform's, and sees nobody else's")
    func models() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let own = try await fixture.provider(of: mine, connection)
                let shared = try await fixture.provider(of: nil, connection)
                var first = try await fixture.model("a", of: own, connection)
                let second = try await fixture.model("b", of: shared, connection)
                let foreign = try await fixture.model(
                    "c", of: fixture.provider(of: other, connection), connection)
                let usable = try await ModelStore.listUsable(by: mine.id, Page(), connection)
                let owned = try await ModelStore.list(of: mine.id, Page(), connection)
                let none = try await ModelStore.list(
                    of: mine.id, where: ModelFilter(provider: shared.id), Page(), connection)
                let ofProvider = try await ModelStore.list(
                    of: nil, where: ModelFilter(provider: shared.id), Page(), connection)
                #expect(usable.items == [second, first] && owned.items == [first])
                #expect(none.items.isEmpty && ofProvider.items == [second])
                let hidden = try await ModelStore.find(foreign.id, of: mine.id, connection)
                let found = try await ModelStore.find(first.id, of: mine.id, connection)
                #expect(hidden == nil && found == first)

                let duplicate = await postgresFailure { try await fixture.model("a", of: own, connection) }
                #expect(duplicate?.constraint == Constraint.modelNameIsUnique)
                var stray = first
                stray = Model(
                    id: ModelID(at: fixture.now), provider: shared.id, tenant: mine.id, name: "x",
                    displayName: "x",
                    createdAt: first.createdAt, updatedAt: first.updatedAt)
                let misplaced = await postgresFailure { try await ModelStore.create(stray, connection) }
                #expect(misplaced?.constraint == Constraint.modelIsOfAProvider)

                let seen = first.updatedAt
                first.displayName = "Renamed"
                first.contextWindow = nil
                first.maximumOutput = 4096
                first.updatedAt = fixture.now
                let updated = try await ModelStore.update(first, expecting: seen, connection)
                let late = try await ModelStore.update(first, expecting: seen, connection)
                #expect(updated == first && late == nil)
                let foreignDelete = try await ModelStore.delete(
                    first.id, of: other.id, at: fixture.now, connection)
                let ownDelete = try await ModelStore.delete(
                    first.id, of: mine.id, at: fixture.now, connection)
                #expect(!foreignDelete && ownDelete)
            }
        }
    }

    @Test("of a model's prices the latest that has begun is in force")
    func prices() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let model = try await fixture.model(of: fixture.provider(of: mine, connection), connection)
                let start = fixture.now
                let first = try await fixture.price(of: model, input: 1, from: start, connection)
                let later = start.advanced(bySeconds: 86_400)
                let second = try await fixture.price(of: model, input: 2, from: later, connection)
                let correction = try await fixture.price(of: model, input: 3, from: later, connection)
                func inForce(_ moment: Timestamp) async throws -> Price? {
                    try await PriceStore.inForce(of: model.id, ownedBy: mine.id, at: moment, connection)
                }
                let before = try await inForce(start.advanced(byMicroseconds: -1))
                let atStart = try await inForce(start)
                let atLater = try await inForce(later)
                #expect(before == nil && atStart == first && atLater == correction)
                let listed = try await PriceStore.list(of: model.id, ownedBy: mine.id, Page(), connection)
                #expect(listed.items == [correction, second, first])
                let found = try await PriceStore.find(first.id, of: mine.id, connection)
                let foreign = try await PriceStore.find(first.id, of: nil, connection)
                #expect(found == first && foreign == nil)
                let asShared = Model(
                    id: model.id, provider: model.provider, tenant: nil, name: "x", displayName: "x",
                    createdAt: start, updatedAt: start)
                let misplaced = try await fixture.price(of: asShared, connection)
                let nowhere = try await PriceStore.find(misplaced.id, of: nil, connection)
                #expect(nowhere == nil, "the platform has no such model")
            }
        }
    }

    @Test("a price that has begun outlives its model and its provider, ended; one to come goes with them")
    func pricesOutlive() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let provider = try await fixture.provider(of: mine, connection)
                func find(_ price: Price) async throws -> Price? {
                    try await PriceStore.find(price.id, of: mine.id, connection)
                }
                for isProvider in [false, true] {
                    let model = try await fixture.model("m\(isProvider)", of: provider, connection)
                    let begun = try await fixture.price(of: model, connection)
                    let future = try await fixture.price(
                        of: model, from: fixture.now.advanced(bySeconds: 3600), connection)
                    let moment = fixture.now
                    let isGone =
                        isProvider
                        ? try await ProviderStore.delete(
                            provider.id, of: mine.id, at: moment, connection)
                        : try await ModelStore.delete(model.id, of: mine.id, at: moment, connection)
                    let (left, unborn) = (try await find(begun), try await find(future))
                    #expect(isGone && unborn == nil)
                    #expect(left?.effectiveUntil == moment && left?.table == begun.table)
                    let exported = try await SnapshotExport.prices(at: moment, connection)
                    #expect(exported.isEmpty)
                }
            }
        }
    }

    @Test("a price is ended once, not before it begins, and deleted only before it begins")
    func priceEnds() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let model = try await fixture.model(of: fixture.provider(of: mine, connection), connection)
                let start = fixture.now
                let end = start.advanced(bySeconds: 60)
                let price = try await fixture.price(of: model, from: start, connection)
                func ended(_ tenant: Tenant, at end: Timestamp, now: Timestamp) async throws -> Price? {
                    try await PriceStore.end(price.id, of: tenant.id, at: end, now: now, connection)
                }
                let foreign = try await ended(other, at: end, now: start)
                let early = try await ended(mine, at: start.advanced(bySeconds: -1), now: start)
                let first = try await ended(mine, at: end, now: start)
                let sooner = try await ended(mine, at: end.advanced(bySeconds: -30), now: start)
                let late = try await ended(mine, at: end.advanced(bySeconds: 9), now: end)
                #expect(foreign == nil && early == nil && late == nil)
                #expect(first?.effectiveUntil == end)
                #expect(sooner?.effectiveUntil == end.advanced(bySeconds: -30))
                func inForce(_ moment: Timestamp) async throws -> PriceID? {
                    try await PriceStore.inForce(
                        of: model.id, ownedBy: mine.id, at: moment, connection)?.id
                }
                let before = try await inForce(start)
                let after = try await inForce(end)
                #expect(before == price.id && after == nil)
                let begun = try await PriceStore.delete(price.id, of: mine.id, at: start, connection)
                let future = try await fixture.price(of: model, from: end, connection)
                let deleted = try await PriceStore.delete(future.id, of: mine.id, at: start, connection)
                #expect(!begun && deleted)
            }
        }
    }
}
