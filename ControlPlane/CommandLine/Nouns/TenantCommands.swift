import JSONText

/// Tenants and their workspaces.
enum TenantCommands {
    static let tenantOption = Command.Option(
        name: "tenant", value: "NAME", help: "the tenant's name or ID; needed when there are several")

    static let naming = [
        Command.Option(name: "name", value: "NAME", help: "its name for people", isRequired: true),
        Command.Option(name: "slug", value: "SLUG", help: "its short name; default made from the name"),
    ]

    static func named(_ invocation: Invocation) -> JSONValue {
        let name = invocation.options["name"] ?? ""
        return ["name": .string(name), "slug": .string(invocation.options["slug"] ?? slug(of: name))]
    }

    /// Lowercase letters and digits, runs of anything else as one hyphen.
    static func slug(of name: String) -> String {
        let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return String(words.joined(separator: "-").prefix(63))
    }

    static let all = [
        Command(words: ["tenants"], summary: "List tenants") { invocation, context in
            let tenants = try await context.admin().list("/tenants")
            invocation.show(
                tenants,
                [
                    ("slug", "slug"), ("name", "name"), ("id", "id"), ("status", "status"),
                    ("created", "created_at"),
                ])
        },
        Command(
            words: ["tenants", "create"], summary: "Create a tenant",
            options: naming
        ) { invocation, context in
            invocation.show(try await context.admin().post("/tenants", named(invocation)))
        },
        Command(words: ["workspaces"], summary: "List a tenant's workspaces", options: [tenantOption]) {
            invocation, context in
            let admin = try context.admin()
            let tenant = try await context.tenant(invocation, admin)
            let workspaces = try await admin.list("/tenants/\(tenant)/workspaces")
            invocation.show(
                workspaces, [("slug", "slug"), ("name", "name"), ("id", "id"), ("created", "created_at")])
        },
        Command(
            words: ["workspaces", "create"], summary: "Create a workspace in a tenant",
            options: naming + [tenantOption]
        ) { invocation, context in
            let admin = try context.admin()
            let tenant = try await context.tenant(invocation, admin)
            invocation.show(try await admin.post("/tenants/\(tenant)/workspaces", named(invocation)))
        },
    ]
}
