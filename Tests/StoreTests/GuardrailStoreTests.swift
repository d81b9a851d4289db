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
                #expect(try await GuardrailStore.count(of: mine.id, connection) == 3)

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
                #expect(exported == [GuardrailEntry(second), GuardrailEntry(third)])
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
}
