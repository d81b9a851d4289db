import Glibc
import JSONText

/// What nodes join with, as a text for a script; the rest of them comes from the API.
enum NodeCommands {
    static let all = [
        Command(
            words: ["nodes", "join-token"],
            summary: "Make a join bundle for a new node; it works once, for 15 minutes",
            options: [
                .init(name: "name", value: "NAME", help: "what the node is called", isRequired: true),
                .init(name: "region", value: "REGION", help: "where it stands, as in eu-central-1"),
                .init(
                    name: "output", value: "FILE", help: "write the bundle there, readable by its owner alone"
                ),
                .init(
                    name: "unless-joined", value: "FOLDER",
                    help: "do nothing when the node of this data directory has joined already"),
            ]
        ) { invocation, context in
            if let folder = invocation.options["unless-joined"], hasJoined(folder) { return }
            var body = JSONObject()
            body["node_name"] = .string(invocation.options["name"] ?? "")
            if let region = invocation.options["region"] { body["region"] = .string(region) }
            let issued = try await context.admin().post("/join-tokens", .object(body))
            let bundle = issued["bundle"]?.string ?? ""
            if let path = invocation.options["output"] {
                try StateDirectory.write(Array(bundle.utf8), to: path)
            } else {
                Console.out(invocation.wantsJSON ? issued.text : bundle)
            }
        }
    ]

    /// A node makes its outbox when it has joined, not before.
    private static func hasJoined(_ folder: String) -> Bool { access(folder + "/outbox.db", F_OK) == 0 }
}
