import JSONText

/// Upstream accounts, what they offer at what price, and the routes that lead to them.
enum ProviderCommands {
    static let all = [
        Command(
            words: ["providers"], summary: "List a tenant's providers", options: [TenantCommands.tenantOption]
        ) {
            invocation, context in
            let (admin, under) = try await place(invocation, context)
            invocation.show(
                try await admin.list("\(under)/providers"),
                [
                    ("name", "name"), ("id", "id"), ("kind", "kind"), ("base url", "base_url"),
                    ("credential", "credential_hint"),
                ])
        },
        Command(
            words: ["providers", "create"],
            summary: "Add a provider; its credential is read from a file or the terminal",
            options: [
                .init(name: "name", value: "NAME", help: "its name", isRequired: true),
                .init(
                    name: "base-url", value: "URL", help: "such as https://api.openai.com/v1",
                    isRequired: true),
                .init(name: "kind", value: "KIND", help: "its wire format, default openai"),
                .init(name: "credential-file", value: "FILE", help: "a file with the credential"),
                TenantCommands.tenantOption,
            ], run: create),
        Command(words: ["models"], summary: "List a tenant's models", options: [TenantCommands.tenantOption])
        { invocation, context in
            let (admin, under) = try await place(invocation, context)
            invocation.show(
                try await admin.list("\(under)/models"),
                [("name", "name"), ("id", "id"), ("provider", "provider")])
        },
        Command(
            words: ["models", "create"], summary: "Add a provider's model with its price",
            options: [
                .init(name: "name", value: "NAME", help: "the provider's own name of it", isRequired: true),
                .init(name: "provider", value: "NAME", help: "the provider's name or ID", isRequired: true),
                .init(name: "input", value: "USD", help: "price of a million input tokens", isRequired: true),
                .init(
                    name: "output", value: "USD", help: "price of a million output tokens", isRequired: true),
                TenantCommands.tenantOption,
            ], run: createModel),
        Command(words: ["routes"], summary: "List a tenant's routes", options: [TenantCommands.tenantOption])
        { invocation, context in
            let (admin, under) = try await place(invocation, context)
            invocation.show(
                try await admin.list("\(under)/routes"),
                [("name", "name"), ("id", "id"), ("targets", "targets")])
        },
        Command(
            words: ["routes", "create"], summary: "Let applications ask for a name that leads to a model",
            options: [
                .init(name: "name", value: "NAME", help: "the model name applications use", isRequired: true),
                .init(name: "model", value: "NAME", help: "the model's name or ID", isRequired: true),
                TenantCommands.tenantOption,
            ], run: createRoute),
    ]

    static func create(_ invocation: Invocation, _ context: CommandContext) async throws {
        let credential: String
        if let file = invocation.options["credential-file"] {
            let bytes = try StateDirectory.read(file, maximumBytes: 65_536)
            credential = String(decoding: bytes, as: UTF8.self).trimmingNewlines()
        } else if let typed = Console.ask("Credential: ", echo: false), !typed.isEmpty {
            credential = typed
        } else {
            throw CommandFailure.usage("no credential; pass --credential-file FILE")
        }
        let (admin, under) = try await place(invocation, context)
        invocation.show(
            try await admin.post(
                "\(under)/providers",
                [
                    "name": .string(invocation.options["name"] ?? ""),
                    "kind": .string(invocation.options["kind"] ?? "openai"),
                    "base_url": .string(invocation.options["base-url"] ?? ""),
                    "credential": .string(credential),
                ]))
    }

    static func createModel(_ invocation: Invocation, _ context: CommandContext) async throws {
        let (admin, under) = try await place(invocation, context)
        let providers = try await admin.list("\(under)/providers")
        let provider = try await context.pick("provider", invocation.options["provider"], from: providers)
        let model = try await admin.post(
            "\(under)/models",
            ["provider": .string(provider), "name": .string(invocation.options["name"] ?? "")])
        _ = try await admin.post(
            "\(under)/models/\(model["id"]?.string ?? "")/prices",
            [
                "input": .string(invocation.options["input"] ?? ""),
                "output": .string(invocation.options["output"] ?? ""),
            ])
        invocation.show(model)
    }

    static func createRoute(_ invocation: Invocation, _ context: CommandContext) async throws {
        let (admin, under) = try await place(invocation, context)
        let models = try await admin.list("\(under)/models")
        let model = try await context.pick("model", invocation.options["model"], from: models)
        invocation.show(
            try await admin.post(
                "\(under)/routes",
                ["name": .string(invocation.options["name"] ?? ""), "targets": [["model": .string(model)]]]))
    }

    private static func place(
        _ invocation: Invocation, _ context: CommandContext
    ) async throws(CommandFailure) -> (AdminClient, String) {
        let admin = try context.admin()
        return (admin, "/tenants/\(try await context.tenant(invocation, admin))")
    }
}
