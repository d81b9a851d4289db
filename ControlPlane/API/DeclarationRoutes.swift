import Domain
import HTTPWire
import JSONText
import Operations

/// A tenant's things as a document to keep under version control, and the way back.
enum DeclarationRoutes {
    private static let base = "/api/v1/tenants/{tenant}"

    static let all: [AdminRoute] = [
        .one(
            .get, "\(base)/declaration", .needs(.tenantsRead, in: .tenant), "declaration.get",
            "Export the tenant's things that the caller may read as a document, by name and without secrets",
            query: [DeclarationBody.withKeys], answers: .declaration
        ) { call throws(OperationError) in
            _ = try await call.operations.tenants.get(try call.tenant, by: try call.caller)
            let declaration = TenantDeclaration(call, call.operations)
            try await declaration.load(withKeys: try call.query[DeclarationBody.withKeys])
            return declaration.document()
        },
        .one(
            .post, "\(base)/apply", .needs(.tenantsRead, in: .tenant), "declaration.apply",
            "Make the tenant's things as a document says, all or nothing; with dry_run: the plan",
            body: DeclarationBody.shape, answers: .declarationSteps
        ) { call throws(OperationError) in
            _ = try await call.operations.tenants.get(try call.tenant, by: try call.caller)
            let document = try DeclarationBody.value(call.body)
            return try await call.operations.together { operations throws(OperationError) in
                let declaration = TenantDeclaration(call, operations)
                try await declaration.load(withKeys: document["keys"] != nil)
                try await declaration.apply(document)
                return declaration.steps
            }
        }.within(seconds: 60),
    ]
}

extension Representation<JSONValue> {
    /// A document as it is exported, and as `apply` takes it.
    static let declaration = Representation(
        "Declaration",
        DeclaredNoun.all.map { noun in
            Member(noun.name, DeclarationBody.things, DeclarationBody.summary(noun)) {
                $0[noun.name] ?? .array([])
            }
        })
}

extension Representation<[TenantDeclaration.Step]> {
    private static let step = ObjectSchema(
        name: "DeclarationStep",
        members: [
            MemberSchema(name: "noun", schema: .text(1...63), isRequired: true, summary: "Of what kind."),
            MemberSchema(
                name: "name", schema: .text(0...2000), isRequired: true, summary: "Which one, by its names."),
            MemberSchema(
                name: "action",
                schema: .words(TenantDeclaration.Step.Action.allCases.map(\.rawValue)), isRequired: true,
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
                "steps", .list(.object(step), maximumCount: TenantDeclaration.maximumThings),
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
enum DeclarationBody {
    static let things = Schema.list(.anyObject, maximumCount: TenantDeclaration.maximumThings)

    static func summary(_ noun: DeclaredNoun) -> String {
        "As \(noun.create.body?.name ?? "") has them; IDs may be references such as @workspace/default."
    }

    private static let lists: [Field<[JSONObject]?>] = DeclaredNoun.all.map { noun in
        Field<[JSONObject]?>.optional(
            noun.name,
            Reader<[JSONObject]>(things) { json throws(InvalidInput) in
                guard let elements = json.array else { throw InvalidInput(.wrongType, "must be a list") }
                var objects: [JSONObject] = []
                for (index, element) in elements.enumerated() {
                    guard let object = element.object else {
                        throw InvalidInput([
                            ValidationError("/\(index)", .wrongType, "must be a JSON object")
                        ])
                    }
                    objects.append(object)
                }
                return objects
            }, summary(noun))
    }

    static let shape = BodyShape("NewDeclaration", lists)

    static func value(_ body: BodyValues) throws(OperationError) -> [String: [JSONObject]] {
        var document: [String: [JSONObject]] = [:]
        for field in lists { document[field.name] = try body[field] }
        return document
    }

    static let withKeys = Field<Bool>.defaulted(
        "keys", .flag, to: false, "With the keys, of which there may be many; never their texts.")
}
