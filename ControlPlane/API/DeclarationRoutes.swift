import Domain
import HTTPWire
import JSONText
import Operations

/// A tenant's things as a document to keep under version control, and the way back; and what the platform
/// shares.
enum DeclarationRoutes {
    private static let base = "/api/v1/tenants/{tenant}"

    static let all: [AdminRoute] = ofTenant + ofPlatform

    private static let ofTenant: [AdminRoute] = [
        .one(
            .get, "\(base)/declaration", .needs(.tenantsRead, in: .tenant), "declaration.get",
            "Export the tenant's things that the caller may read as a document, by name and without secrets",
            query: [DeclarationBody.withKeys], answers: .declaration
        ) { call throws(OperationError) in
            _ = try await call.operations.tenants.get(try call.tenant, by: try call.caller)
            let declaration = Declaration(of: DeclaredNoun.ofTenant, call, call.operations)
            try await declaration.load(withKeys: try call.query[DeclarationBody.withKeys])
            return declaration.document()
        },
        .one(
            .post, "\(base)/apply", .needs(.tenantsRead, in: .tenant), "declaration.apply",
            "Make the tenant's things as a document says, all or nothing; with dry_run: the plan",
            body: DeclarationBody.ofTenant.shape, answers: .declarationSteps
        ) { call throws(OperationError) in
            _ = try await call.operations.tenants.get(try call.tenant, by: try call.caller)
            return try await apply(DeclarationBody.ofTenant, call)
        }.within(seconds: 60),
    ]

    private static let ofPlatform: [AdminRoute] = [
        .one(
            .get, "/api/v1/declaration", .needs(.providersRead, in: .platform), "platform-declaration.get",
            "Export what the platform shares with all tenants as a document, by name and without secrets",
            answers: .platformDeclaration
        ) { call throws(OperationError) in
            try call.caller.demand(.providersRead, in: .platform)
            let declaration = Declaration(of: DeclaredNoun.ofPlatform, call, call.operations)
            try await declaration.load(withKeys: false)
            return declaration.document()
        },
        .one(
            .post, "/api/v1/apply", .needs(.providersRead, in: .platform), "platform-declaration.apply",
            "Make what the platform shares as a document says, all or nothing; with dry_run: the plan",
            body: DeclarationBody.ofPlatform.shape, answers: .declarationSteps
        ) { call throws(OperationError) in
            try call.caller.demand(.providersRead, in: .platform)
            return try await apply(DeclarationBody.ofPlatform, call)
        }.within(seconds: 60),
    ]

    private static func apply(
        _ body: DeclarationBody, _ call: Call
    ) async throws(OperationError) -> [Declaration.Step] {
        let document = try body.value(call.body)
        let mayNameKeys = Declaration.ofSubjects.flatMap { document[$0] ?? [] }
        let namesKeys = document["keys"] != nil || mayNameKeys.contains(where: Declaration.isOfKey)
        return try await call.operations.together { operations throws(OperationError) in
            let declaration = Declaration(of: body.nouns, call, operations)
            try await declaration.load(withKeys: namesKeys)
            try await declaration.apply(document)
            return declaration.steps
        }
    }
}

extension Representation<JSONValue> {
    /// A document as it is exported, and as `apply` takes it.
    static let declaration = Representation("Declaration", members(of: DeclaredNoun.ofTenant))
    static let platformDeclaration = Representation(
        "PlatformDeclaration", members(of: DeclaredNoun.ofPlatform))

    private static func members(of nouns: [DeclaredNoun]) -> [Member] {
        nouns.map { noun in
            Member(noun.name, DeclarationBody.things, DeclarationBody.summary(noun)) {
                $0[noun.name] ?? .array([])
            }
        }
    }
}

extension Representation<[Declaration.Step]> {
    private static let step = ObjectSchema(
        name: "DeclarationStep",
        members: [
            MemberSchema(name: "noun", schema: .text(1...63), isRequired: true, summary: "Of what kind."),
            MemberSchema(
                name: "name", schema: .text(0...2000), isRequired: true, summary: "Which one, by its names."),
            MemberSchema(
                name: "action",
                schema: .words(Declaration.Step.Action.allCases.map(\.rawValue)), isRequired: true,
                summary: "What was done, or in a dry run would be."),
            MemberSchema(
                name: "changes", schema: .list(.text(1...63), maximumCount: 64), isRequired: true,
                summary: "The members an update writes."),
            MemberSchema(
                name: "reason", schema: .nullable(.text(1...200)), isRequired: true,
                summary: "Why it was skipped."),
        ])

    static let declarationSteps = Representation(
        "DeclarationSteps",
        [
            .init(
                "steps", .list(.object(step), maximumCount: Declaration.maximumThings),
                "In the order they were made."
            ) { steps in
                .array(
                    steps.map { step in
                        [
                            "noun": .string(step.noun), "name": .string(step.name),
                            "action": .string(step.action.rawValue),
                            "changes": .array(step.changes.map { .string($0) }),
                            "reason": .optional(step.reason),
                        ]
                    })
            }
        ])
}

/// The document. Its things have the members of the bodies that make them; what those are is said there.
struct DeclarationBody: Sendable {
    static let ofTenant = DeclarationBody("NewDeclaration", DeclaredNoun.ofTenant)
    static let ofPlatform = DeclarationBody("NewPlatformDeclaration", DeclaredNoun.ofPlatform)

    static let things = Schema.list(.anyObject, maximumCount: Declaration.maximumThings)

    static func summary(_ noun: DeclaredNoun) -> String {
        let body = noun.create.body.map { "As \($0.name) has them" } ?? "By their names"
        return "\(body); IDs may be references such as @workspace/default."
    }

    let nouns: [DeclaredNoun]
    let shape: BodyShape
    private let lists: [Field<[JSONObject]?>]

    private init(_ name: String, _ nouns: [DeclaredNoun]) {
        self.nouns = nouns
        lists = nouns.map { noun in
            Field<[JSONObject]?>.optional(
                noun.name,
                Reader<[JSONObject]>(Self.things) { json throws(InvalidInput) in try Self.objects(json) },
                Self.summary(noun))
        }
        shape = BodyShape(name, lists)
    }

    private static func objects(_ json: JSONValue) throws(InvalidInput) -> [JSONObject] {
        guard let elements = json.array else { throw InvalidInput(.wrongType, "must be a list") }
        var objects: [JSONObject] = []
        for (index, element) in elements.enumerated() {
            guard let object = element.object else {
                throw InvalidInput([ValidationError("/\(index)", .wrongType, "must be a JSON object")])
            }
            objects.append(object)
        }
        return objects
    }

    func value(_ body: BodyValues) throws(OperationError) -> [String: [JSONObject]] {
        var document: [String: [JSONObject]] = [:]
        for field in lists { document[field.name] = try body[field] }
        return document
    }

    static let withKeys = Field<Bool>.defaulted(
        "keys", .flag, to: false,
        "With the keys, of which there may be many, their limits and guardrails; never their texts.")
}
