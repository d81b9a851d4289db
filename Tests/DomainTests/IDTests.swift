import Domain
import TestSupport
import Testing

@Suite("typed ids")
struct IDTests {
    @Test("text, bytes and UUID text read back to the same id", arguments: SeededGenerator.seeds)
    func roundTrips(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let id = KeyID(high: generator.next(), low: generator.next())
            #expect(KeyID(id.description) == id)
            #expect(KeyID(bytes: id.bytes) == id)
            #expect(KeyID(uuidText: id.uuidText) == id)
            #expect(KeyID(uuidText: id.uuidText.uppercased()) == id)
        }
    }

    @Test("the text is the prefix and 26 characters of Crockford base32, as the TypeID specification has it")
    func specification() {
        // Nil, one, carry, the examples of the specification, the largest.
        let cases: [(UInt64, UInt64, String)] = [
            (0, 0, "00000000000000000000000000"), (0, 1, "00000000000000000000000001"),
            (0, 32, "00000000000000000000000010"),
            (0x0110_c853_1d09_52d8, 0xd73e_1194_e95b_5f19, "0123456789abcdefghjkmnpqrs"),
            (0x0189_0a5d_ac96_774b, 0xbcce_b302_099a_8057, "01h455vb4pex5vsknk084sn02q"),
            (.max, .max, "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ]
        for (high, low, text) in cases {
            #expect(TenantID(high: high, low: low).description == "tenant_" + text)
            #expect(TenantID("tenant_" + text) == TenantID(high: high, low: low))
        }
    }

    @Test(
        "anything but the one spelling is refused",
        arguments: [
            "", "key", "key_", "key_01h455vb4pex5vsknk084sn02", "key_01h455vb4pex5vsknk084sn02qq",
            "KEY_01h455vb4pex5vsknk084sn02q", "key_01H455VB4PEX5VSKNK084SN02Q",
            "key-01h455vb4pex5vsknk084sn02q",
            "key_81h455vb4pex5vsknk084sn02q", "key_01h455vb4pex5vsknk084sn0iq",
            "key_01h455vb4pex5vsknk084sn0lq",
            "key_01h455vb4pex5vsknk084sn0oq", "key_01h455vb4pex5vsknk084sn0uq",
            "key_01h455vb4pex5vsknk084sn0 q",
            "tenant_01h455vb4pex5vsknk084sn02q", " key_01h455vb4pex5vsknk084sn02q",
            "key_01h455vb4pex5vsknk084sn02\u{e9}",
        ])
    func refused(_ text: String) {
        #expect(KeyID(text) == nil)
    }

    @Test(
        "only a UUID text with its hyphens is one",
        arguments: [
            "", "01890a5dac96774bbcceb302099a8057", "01890a5d-ac96-774b-bcce-b302099a805",
            "01890a5d-ac96-774b-bcce-b302099a80577", "01890a5d-ac96-774b-bcce-b302099a805g",
            "01890a5d_ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057 0000000000000000",
        ])
    func refusedUUIDs(_ text: String) {
        #expect(KeyID(uuidText: text) == nil)
    }

    @Test("sixteen bytes make an id, no other count does")
    func byteCounts() {
        for count in 0..<40 {
            #expect((KeyID(bytes: [UInt8](repeating: 7, count: count)) != nil) == (count == 16))
        }
    }

    @Test(
        "a new id is a UUIDv7 of its millisecond, and later ids sort behind earlier ones",
        arguments: SeededGenerator.seeds)
    func version7(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var last: RouteID?
        for step in 0..<2000 {
            let time = Timestamp(microseconds: 1_700_000_000_000_000 + Int64(step) * 7)
            let id = RouteID(at: time, using: &generator)
            #expect(id.high >> 12 & 15 == 7)
            #expect(id.low >> 62 == 2)
            #expect(id.createdAt.microseconds == time.microseconds / 1000 * 1000)
            if let last { #expect(last < id) }
            last = id
        }
    }

    @Test("times before 1970 make ids of 1970, and two ids of one moment differ")
    func edges() {
        #expect(RouteID(at: .distantPast).createdAt == .epoch)
        #expect(RouteID(at: .epoch) != RouteID(at: .epoch))
        #expect(RouteID(at: .distantFuture).createdAt <= .distantFuture)
    }

    @Test("no two nouns share a prefix")
    func prefixes() {
        let prefixes = [
            Tenant.idPrefix, Workspace.idPrefix, User.idPrefix, Provider.idPrefix, Model.idPrefix,
            Price.idPrefix,
            Route.idPrefix, Key.idPrefix, Node.idPrefix, JoinToken.idPrefix, SessionNoun.idPrefix,
            BindingNoun.idPrefix,
            AuditEventNoun.idPrefix, UsageEventNoun.idPrefix, FleetKeyNoun.idPrefix,
        ].map(\.description)
        #expect(Set(prefixes).count == prefixes.count)
        #expect(
            prefixes.allSatisfy {
                (1...8).contains($0.utf8.count) && $0.utf8.allSatisfy { (97...122).contains($0) }
            })
    }
}
