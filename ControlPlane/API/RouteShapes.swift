import Domain
import JSONText
import Operations

extension Representation<Domain.Route> {
    static let route = Representation(
        "Route",
        [
            .init("id", .id(Domain.Route.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...128), "The model name applications ask for.") { .string($0.name) },
            .init(
                "targets",
                .list(.object(RouteBody.targetShape.schema), maximumCount: Domain.Route.maximumTargets),
                "What can answer."
            ) { route in
                .array(
                    route.targets.map { target in
                        [
                            RouteBody.model.name: .text(target.model),
                            RouteBody.weight.name: .integer(target.weight),
                            RouteBody.priority.name: .integer(target.priority),
                        ]
                    })
            },
            .init("enabled", .boolean, "Whether applications can use it.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The bodies that make and change a route.
enum RouteBody {
    static let model = Field<ModelID>.required("model", .id(), "A model of the tenant, or a shared one.")
    static let weight = Field<Int32>.defaulted(
        "weight", .integer(Target.weights), to: 100, "Its share among targets of the same priority.")
    static let priority = Field<Int32>.defaulted(
        "priority", .integer(Target.priorities), to: 0, "Lower numbers are tried first.")
    static let targetShape = BodyShape("RouteTarget", [model, weight, priority])

    private static let targetsReader = Reader<[Target]>.list(
        of: .object(targetShape) { values throws(OperationError) in
            Target(model: try values[model], weight: try values[weight], priority: try values[priority])
        }, 1...Domain.Route.maximumTargets)

    static let name = Field<String>.required(
        "name", .text(.modelName, example: "gpt-4o-mini"), "The model name applications ask for.")
    static let targets = Field<[Target]>.required("targets", targetsReader, "What can answer, at least one.")
    static let enabled = Field<Bool>.defaulted("enabled", .flag, to: true, "Whether applications can use it.")
    static let new = BodyShape("NewRoute", [name, targets, enabled])

    static let newName = Field<String?>.change("name", .text(.modelName), "The name applications ask for.")
    static let newTargets = Field<[Target]?>.change(
        "targets", targetsReader, "All targets, in place of those before.")
    static let newEnabled = Field<Bool?>.change("enabled", .flag, "Whether applications can use it.")
    static let change = BodyShape("RouteChange", [newName, newTargets, newEnabled])
}
