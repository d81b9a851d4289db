import JSONText

/// Applications' keys.
enum KeyCommands {
    static let columns = [
        (heading: "name", path: "name"), (heading: "id", path: "id"), (heading: "standing", path: "standing"),
        (heading: "prefix", path: "prefix"), (heading: "created", path: "created_at"),
    ]

    static let all = [
        Command(words: ["keys"], summary: "List a tenant's keys", options: [TenantCommands.tenantOption]) {
            invocation, context in
            let admin = try context.admin()
            let tenant = try await context.tenant(invocation, admin)
            invocation.show(try await admin.list("/tenants/\(tenant)/keys"), columns)
        },
        Command(
            words: ["keys", "create"], summary: "Issue a key; its text is shown this once",
            options: [
                .init(name: "name", value: "NAME", help: "what will use it", isRequired: true),
                .init(name: "workspace", value: "NAME", help: "the workspace; needed when there are several"),
                TenantCommands.tenantOption,
            ], run: create),
        Command(
            words: ["keys", "revoke"], summary: "Revoke a key on every node",
            arguments: [.init(name: "key", help: "the key's name or ID")],
            options: [TenantCommands.tenantOption],
            run: revoke),
    ]

    static func create(_ invocation: Invocation, _ context: CommandContext) async throws {
        let admin = try context.admin()
        let tenant = try await context.tenant(invocation, admin)
        let workspace = try await context.workspace(invocation, admin, tenant: tenant)
        let issued = try await admin.post(
            "/tenants/\(tenant)/keys",
            ["name": .string(invocation.options["name"] ?? ""), "workspace": .string(workspace)])
        if invocation.wantsJSON {
            Console.out(issued.text)
            return
        }
        invocation.show(issued["key"] ?? .null)
        Console.out("\n\(issued["secret"]?.string ?? "")")
        Console.error("Keep this text now: it is not shown again.")
    }

    static func revoke(_ invocation: Invocation, _ context: CommandContext) async throws {
        let admin = try context.admin()
        let tenant = try await context.tenant(invocation, admin)
        let keys = try await admin.list("/tenants/\(tenant)/keys")
        let key = try await context.pick("key", invocation.arguments[0], from: keys)
        invocation.show(try await admin.post("/tenants/\(tenant)/keys/\(key)/revoke"))
    }
}
