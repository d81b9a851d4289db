import JSONText

/// Gateway nodes and the tokens they join with.
enum NodeCommands {
    static let all = [
        Command(words: ["nodes"], summary: "List gateway nodes") { invocation, context in
            invocation.show(
                try await context.admin().list("/nodes"),
                [
                    ("name", "name"), ("id", "id"), ("status", "status"), ("connected", "connected"),
                    ("snapshot", "running_version"),
                    ("outbox", "outbox_events"), ("last seen", "last_seen_at"),
                ])
        },
        Command(
            words: ["nodes", "join-token"],
            summary: "Make a join bundle for a new node; it works once, for 15 minutes",
            options: [.init(name: "name", value: "NAME", help: "what the node is called", isRequired: true)]
        ) { invocation, context in
            let body: JSONValue = ["node_name": .string(invocation.options["name"] ?? "")]
            let issued = try await context.admin().post("/join-tokens", body)
            Console.out(invocation.wantsJSON ? issued.text : issued["bundle"]?.string ?? "")
        },
        Command(
            words: ["nodes", "revoke"], summary: "Refuse a node from now on",
            arguments: [.init(name: "node", help: "the node's name or ID")]
        ) { invocation, context in
            let admin = try context.admin()
            let node = try await context.pick(
                "node", invocation.arguments[0], from: try await admin.list("/nodes"))
            invocation.show(try await admin.post("/nodes/\(node)/revoke"))
        },
    ]
}
