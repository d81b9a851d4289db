import Contract
import Domain
import PostgresDriver
import TestSupport
import Testing

@testable import Store

@Suite("guardrails in the database")
struct GuardrailStoreTests {
    private static func guardrail(
        _ fixture: Fixture, of tenant: Tenant, _ subject: GuardrailSubject = .tenant, name: String
    ) -> Guardrail {
        Guardrail(
            id: GuardrailID(at: fixture.now), tenant: tenant.id, name: name, subject: subject,
            rule: GuardrailRule(kind: .patterns, action: .redact, texts: ["a+", "b"]), sides: .output,
            mode: .observe, createdAt: fixture.now, updatedAt: fixture.now)
    }

    @Test("a guardrail reads back whole, is changed with its stamp, and is seen by its own tenant only")
    func guardrails() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let workspace = try await fixture.workspace(of: mine, connection)
                let (key, _) = try await fixture.key(of: workspace, connection)
                var first = Self.guardrail(fixture, of: mine, name: "one")
                let second = Self.guardrail(fixture, of: mine, .workspace(workspace.id), name: "two")
                let third = Self.guardrail(fixture, of: mine, .key(key.id), name: "three")
                for made in [first, second, third] { try await GuardrailStore.create(made, connection) }
                let listed = try await pages(limit: 2) {
                    try await GuardrailStore.list(of: mine.id, $0, connection)
                }
                #expect(listed == [[third, second], [first]])
                #expect(try await GuardrailStore.find(first.id, of: other.id, connection) == nil)
                #expect(try await GuardrailStore.count(of: mine.id, connection).all == 3)

                let seen = first.updatedAt
                first.name = "renamed"
                first.rule = GuardrailRule(
                    kind: .size, size: GuardrailSize(messages: 1, characters: 2, tokens: nil))
                first.sides = .input
                first.mode = .enforce
                first.isEnabled = false
                first.updatedAt = fixture.now
                #expect(try await GuardrailStore.update(first, expecting: seen, connection))
                #expect(try await GuardrailStore.find(first.id, of: mine.id, connection) == first)
                #expect(try await !GuardrailStore.update(first, expecting: seen, connection))

                let exported = try await SnapshotExport.guardrails(connection)
                #expect(exported.map(\.guardrail) == [second, third])
                #expect(exported.allSatisfy { $0.secret == nil })
                #expect(try await !GuardrailStore.delete(first.id, of: other.id, connection))
                #expect(try await GuardrailStore.delete(first.id, of: mine.id, connection))

                let taken = await postgresFailure {
                    try await GuardrailStore.create(
                        Self.guardrail(fixture, of: mine, name: "two"), connection)
                }
                #expect(taken?.constraint == Constraint.guardrailNameIsUnique)
            }
        }
    }

    @Test("a webhook's secret is kept apart, sealed for nodes once, and goes with its tenant's data key")
    func webhooks() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let url = try #require(BaseURL("https://judge.example/v1"))
                var webhook = Self.guardrail(fixture, of: mine, name: "judge")
                webhook.rule = GuardrailRule(
                    kind: .webhook,
                    webhook: GuardrailWebhook(url: url, timeout: 700, onFailure: .allow))
                let secret = StoredCredential(sealed: [1, 2], hint: "", forFleet: nil)
                try await GuardrailStore.create(webhook, secret: secret, connection)
                let plain = Self.guardrail(fixture, of: mine, name: "plain")
                try await GuardrailStore.create(plain, connection)
                #expect(try await GuardrailStore.find(webhook.id, of: mine.id, connection) == webhook)
                let counts = try await GuardrailStore.count(of: mine.id, connection)
                #expect(counts.all == 2 && counts.webhooks == 1)
                #expect(try await GuardrailStore.secret(of: webhook.id, in: mine.id, connection) == secret)
                #expect(try await GuardrailStore.secret(of: plain.id, in: mine.id, connection) == nil)
                #expect(try await GuardrailStore.secret(of: webhook.id, in: other.id, connection) == nil)

                let seal = StoredCredential.FleetSeal(fleetKey: FleetKeyID(at: fixture.now), sealed: [9])
                let stale = StoredCredential(sealed: [7], hint: "", forFleet: nil)
                try await GuardrailStore.setFleetSeal(
                    seal, for: stale, of: webhook.id, in: mine.id, connection)
                #expect(try await GuardrailStore.secret(of: webhook.id, in: mine.id, connection) == secret)
                try await GuardrailStore.setFleetSeal(
                    seal, for: secret, of: webhook.id, in: mine.id, connection)
                let sealed = StoredCredential(sealed: [1, 2], hint: "", forFleet: seal)
                let exported = try await SnapshotExport.guardrails(connection)
                #expect(exported.map(\.guardrail) == [webhook, plain])
                #expect(exported.map(\.secret) == [sealed, nil])

                webhook.rule.webhook?.overlapUntil = fixture.now
                webhook.updatedAt = fixture.now
                let next = StoredCredential(sealed: [3], hint: "", forFleet: nil)
                #expect(try await GuardrailStore.update(webhook, secret: next, connection))
                #expect(try await GuardrailStore.secret(of: webhook.id, in: mine.id, connection) == next)
                #expect(try await GuardrailStore.update(webhook, connection))
                #expect(try await GuardrailStore.secret(of: webhook.id, in: mine.id, connection) == next)
                #expect(try await GuardrailStore.find(webhook.id, of: mine.id, connection) == webhook)

                let unsigned = await postgresFailure {
                    var unsigned = webhook
                    unsigned.name = "unsigned"
                    try await GuardrailStore.create(unsigned, connection)
                }
                #expect(unsigned != nil)
                #expect(try await GuardrailStore.deleteWebhooks(of: mine.id, connection) == 1)
                #expect(try await GuardrailStore.find(plain.id, of: mine.id, connection) == plain)
            }
        }
    }
}
