import JSONText

/// The commands of every operation of the API; a few do more than their operation.
enum OperationCommands {
    /// Operations that are no commands: `login`, `logout` and `whoami` are, and know where to keep tokens.
    private static let left: Set<String> = [
        "sessions.create", "sessions.refresh", "openapi.get", "health.live", "health.ready", "metrics.get",
    ]

    static let all: [Command] = APIDescription.embedded.operations.filter { !left.contains($0.id) }
        .flatMap { operation in
            OperationCommand(
                operation: operation,
                adjustment: adjustments[operation.id] ?? OperationCommand.Adjustment()
            ).commands()
        }

    private static let adjustments: [String: OperationCommand.Adjustment] = [
        "providers.create": .init(defaults: ["kind": "openai"], asks: ["credential"]),
        "shared-providers.create": .init(defaults: ["kind": "openai"], asks: ["credential"]),
        "models.create": pricedModel,
        "shared-models.create": pricedModel,
        "routes.create": .init(
            options: [
                .init(
                    name: "model", value: "NAME", help: "the one model it leads to, in place of --targets")
            ],
            prepare: { body, invocation, names in
                guard let wish = invocation.options["model"] else { return }
                let model = try await names.id(wish, prefix: "model", noun: "model")
                body["targets"] = [["model": .string(model)]]
            }),
    ]

    private static let pricedModel = OperationCommand.Adjustment(
        options: [
            .init(name: "input", value: "USD", help: "also a price: of a million input tokens"),
            .init(name: "output", value: "USD", help: "also a price: of a million output tokens"),
        ],
        prepare: { _, invocation, _ in
            guard (invocation.options["input"] == nil) == (invocation.options["output"] == nil) else {
                throw CommandFailure.usage("a price needs both --input USD and --output USD")
            }
        },
        after: { model, invocation, admin, path in
            // A model that is only rehearsed can be given nothing.
            if invocation.options["dry-run"] != nil { return }
            guard let input = invocation.options["input"], let output = invocation.options["output"],
                let id = model["id"]?.string
            else { return }
            _ = try await admin.post(
                "\(path)/\(id)/prices", ["input": .string(input), "output": .string(output)])
        })
}
