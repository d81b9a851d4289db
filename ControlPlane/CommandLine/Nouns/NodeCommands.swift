import JSONText

/// What nodes join with, as a text for a script; the rest of them comes from the API.
enum NodeCommands {
    static let all = [
        Command(
            words: ["nodes", "join-token"],
            summary: "Make a join bundle for a new node; it works once, for 15 minutes",
            options: [.init(name: "name", value: "NAME", help: "what the node is called", isRequired: true)]
        ) { invocation, context in
            let body: JSONValue = ["node_name": .string(invocation.options["name"] ?? "")]
            let issued = try await context.admin().post("/join-tokens", body)
            Console.out(invocation.wantsJSON ? issued.text : issued["bundle"]?.string ?? "")
        }
    ]
}
