import Cryptography
import Domain
import JSONText
import Operations

extension Representation<ProviderCredential> {
    static let providerCredential = Representation(
        "ProviderCredential",
        [
            .init("id", .id(ProviderCredential.self), "Never changes.") { .text($0.id) },
            .init("provider", .id(Provider.self), "Whose it is.") { .text($0.provider) },
            .init("name", .text(0...200), "A word for people; may be empty.") { .string($0.name) },
            .init("hint", .text(0...16), "Its last four characters; empty when it is too short to show any.")
            {
                .string($0.hint)
            },
            .init("weight", .integer(1...1000), "Its share of the provider's calls.") { .integer($0.weight) },
            .init("enabled", .boolean, "Whether calls may carry it.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was added.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The body that adds a credential.
enum CredentialBody {
    static let ofState = Field<Bool?>.optional("enabled", .flag, "Only credentials in this state.")
    static let credential = Field<String>.required(
        "credential", .secretText(Provider.credentialLengths, format: "password"),
        "What the provider wants to see. Kept sealed, never shown again.")
    static let name = Field<String>.defaulted("name", .anyText(0...200), to: "", "A word for people.")
    static let weight = Field<Int32>.defaulted(
        "weight", .integer(ProviderCredential.weights), to: 100, "Its share of the provider's calls.")
    static let shape = BodyShape("NewProviderCredential", [credential, name, weight])
}

/// The body that changes a credential; what is missing stays.
enum CredentialChangeBody {
    static let credential = Field<String?>.change(
        "credential", .secretText(Provider.credentialLengths, format: "password"),
        "Takes the place of the secret there was.")
    static let name = Field<String?>.change("name", .anyText(0...200), "A word for people.")
    static let weight = Field<Int32?>.change(
        "weight", .integer(ProviderCredential.weights), "Its share of the provider's calls.")
    static let enabled = Field<Bool?>.change("enabled", .flag, "Whether calls may carry it.")
    static let shape = BodyShape("ProviderCredentialChange", [credential, name, weight, enabled])

    static func value(_ body: BodyValues) throws(OperationError) -> CredentialChange {
        CredentialChange(
            name: try body[name], weight: try body[weight], isEnabled: try body[enabled],
            credential: try body[credential].map { Secret(utf8: $0) })
    }
}

extension Representation<ProviderTest> {
    static let providerTest = Representation("ProviderTest", members)

    fileprivate static let members: [Member] = [
        .init("tested_at", .time, "When.") { .text($0.testedAt) },
        .init("outcome", .words(ProviderTest.Outcome.allCases.map(\.rawValue)), "What came of it.") {
            .string($0.outcome.rawValue)
        },
        .init("status", .nullable(.integer(100...999)), "The HTTP status; null: there was no answer.") {
            .optional($0.status)
        },
        .init("latency_ms", .count, "How long it took.") { .integer($0.latencyMilliseconds) },
        .init("model_count", .nullable(.count), "How many models it named.") { .optional($0.models) },
        .init("problem", .text(0...1000), "What is wrong, in words; empty when nothing is.") {
            .string($0.problem)
        },
    ]
}

extension Representation<ProviderTestReport> {
    static let providerTestReport = Representation(
        "ProviderTestReport",
        [
            .init("test", Representation<ProviderTest>.providerTest.schema, "What was found.") {
                Representation<ProviderTest>.providerTest.json($0.test)
            },
            .init("models", .list(.text(1...128), maximumCount: 500), "The models the provider named.") {
                .array($0.models.map { .string($0) })
            },
        ])
}

/// The body that tests a provider.
enum ProviderTestBody {
    static let credential = Field<CredentialID?>.optional(
        "credential", .id(), "Which of its credentials to use; missing: the first.")
    static let shape = BodyShape("ProviderTestRequest", [credential])
}

extension Representation<ProviderHealth> {
    static let providerHealth = Representation(
        "ProviderHealth",
        [
            .init(
                "last_test", .nullable(Representation<ProviderTest>.providerTest.schema),
                "The last test; null: it was never tested."
            ) { $0.lastTest.map { Representation<ProviderTest>.providerTest.json($0) } ?? .null },
            .init("calls_last_hour", .count, "As far as usage has come in.") { .integer($0.recentCalls) },
            .init("failed_calls_last_hour", .count, "Of these, those that failed.") {
                .integer($0.recentFailures)
            },
        ])
}

extension Representation<ProviderKind> {
    /// What a form needs to know to ask for the right things.
    static let providerKind = Representation(
        "ProviderKind",
        [
            .init("kind", .words(ProviderKind.allCases.map(\.rawValue)), "Its word in the API.") {
                .string($0.rawValue)
            },
            .init("name", .text(1...64), "Its name for people.") { .string($0.displayName) },
            .init(
                "base_url", .nullable(.text(1...512)),
                "Where the vendor's service is, options in braces; null: everybody has their own address."
            ) { .optional($0.defaultBaseURL) },
            .init(
                "authentication", .words(["bearer", "header", "signature", "service_account"]),
                "How a credential goes with a call."
            ) { .string($0.authentication.rawValue) },
            .init("credential_required", .boolean, "Whether it cannot be called without a credential.") {
                .boolean(!$0.isOpen)
            },
            .init("credential_form", .text(1...200), "What a credential looks like.") {
                .string($0.credentialForm)
            },
            .init("options", .list(option, maximumCount: 16), "What else it asks for.") { kind in
                .array(
                    kind.options.map {
                        [
                            "name": .string($0.name), "required": .boolean($0.isRequired),
                            "summary": .string($0.summary),
                        ]
                    })
            },
        ])

    private static let option = Schema.object(
        ObjectSchema(
            name: "ProviderOption",
            members: [
                MemberSchema(name: "name", schema: .text(1...64), isRequired: true, summary: "Its name."),
                MemberSchema(
                    name: "required", schema: .boolean, isRequired: true, summary: "Whether it must be given."
                ),
                MemberSchema(
                    name: "summary", schema: .text(1...200), isRequired: true, summary: "What it is."),
            ]))
}

extension Representation<MasterKeyState> {
    static let masterKey = Representation(
        "MasterKey",
        [
            .init("fingerprint", .text(16...16), "Tells master keys apart, and says nothing else about them.")
            {
                .string($0.fingerprint)
            },
            .init(
                "accepts_previous", .boolean,
                "Whether this control plane also opens what the key before sealed."
            ) { .boolean($0.acceptsPrevious) },
            .init("secrets", .count, "Secrets under a master key.") { .integer($0.secrets) },
            .init("sealed", .count, "Of these, those under the key in use.") { .integer($0.sealed) },
            .init("complete", .boolean, "Whether nothing in the database needs another key any more.") {
                .boolean($0.isComplete)
            },
        ])
}
