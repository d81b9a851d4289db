import Contract
import Cryptography
import Domain
import Policy
import TestSupport
import Testing

/// What happens to one call: the refusal, or nil when it is admitted.
func refusal(
    _ credential: String, route: String = "gpt-test", endpoint: Endpoint = .chat, at now: Timestamp,
    in snapshot: CompiledSnapshot
) -> Refusal? {
    let (credential, route) = (Array(credential.utf8), Array(route.utf8))
    return credential.withUnsafeBytes { credential in
        route.withUnsafeBytes { route in
            do throws(Refusal) {
                _ = try admit(credential, route: route, endpoint: endpoint, at: now, in: snapshot)
                return nil
            } catch { return error }
        }
    }
}

@Suite("admission")
struct AdmissionTests {
    @Test("a key of the snapshot is admitted to its tenant's route")
    func admitted() throws {
        let (fixture, parts) = SnapshotFixture.small()
        let snapshot = try CompiledSnapshot(try fixture.assembly(of: try fixture.built()))
        let credential = Array(parts.key.reveal().utf8)
        let admitted = try credential.withUnsafeBytes { credential in
            try Array("gpt-test".utf8).withUnsafeBytes { route in
                try admit(credential, route: route, endpoint: .chat, at: fixture.now, in: snapshot)
            }
        }
        #expect(admitted.key.record.id == parts.keyID)
        #expect(admitted.key.record.workspace == parts.workspace)
        #expect(admitted.key.tenant.id == parts.tenant)
        #expect(admitted.route.id == parts.route)
        let target = try #require(plan(admitted.route, in: snapshot, draw: 1)[0])
        #expect(target.provider.id == parts.provider)
        #expect(target.price(at: fixture.now)?.id == parts.price)
        #expect(target.upstreamModelJSON == Array("\"stand-in\"".utf8))
        let credentials = try #require(target.provider.entry.credential)
        let opened = try credentials.open(of: parts.provider, with: fixture.fleetKey)
        #expect(opened == Secret(utf8: "sk-test"))
    }
}
