import Domain
import JSONText
import Store
import Testing

@testable import Operations

@Suite("what goes into the audit log")
struct AuditDetailsTests {
    @Test("a change keeps the name and both sides of what differs")
    func changes() {
        let id = KeyID(at: .epoch)
        let subject = AuditSubject(
            "key", id, from: ["name": "a", "on": true, "gone": 1], to: ["name": "b", "on": true, "new": [2]])
        #expect(
            subject.details == [
                "name": "b", "before": ["name": "a", "new": nil, "gone": 1],
                "after": ["name": "b", "new": [2], "gone": nil],
            ])
        #expect(subject.target.id == id.description)
    }

    @Test(
        "texts under the name of a secret, and texts that look like one of ours, are elided",
        arguments: [
            (["password": "x"], ["password": "[elided]"]),
            (["New_Password": ["x", 1]], ["New_Password": ["[elided]", 1]]),
            (["client_secret": ["a": "x", "b": nil]], ["client_secret": ["a": "[elided]", "b": nil]]),
            (["has_credential": true, "count": 3], ["has_credential": true, "count": 3]),
            (["after": ["name": "uses ek_aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]], ["after": ["name": "[elided]"]]),
            (["name": "ek_ is how keys begin, sk-1 too"], ["name": "ek_ is how keys begin, sk-1 too"]),
            (["list": [["reason": "Bearer ert_abc"]]], ["list": [["reason": "[elided]"]]]),
        ] as [(JSONValue, JSONValue)])
    func elision(_ details: JSONValue, _ kept: JSONValue) {
        #expect(details.withoutSecrets == kept)
    }
}
