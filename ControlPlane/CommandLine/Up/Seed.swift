import JSONText

/// What a fresh installation is filled with, so that the first call works: a tenant, the stand-in provider, a
/// route, a key.
struct Seed {
    let admin: AdminClient
    let state: StateDirectory
    let ports: Ports

    static let tenantName = "demo"
    static let routeName = "chat"

    /// A provider that a well-known environment variable names, seeded beside the stand-in.
    struct Known {
        let variable: String
        let provider: String
        let baseURL: String
        let model: String
        /// US dollars per million tokens as the vendor's price page has them; an admin changes them by a new
        /// price.
        let inputPerMillion: String
        let outputPerMillion: String
    }

    /// OpenAI's wire format, spoken by the vendor itself or by its compatible endpoint.
    static let known = [
        Known(
            variable: "OPENAI_API_KEY", provider: "openai", baseURL: "https://api.openai.com/v1",
            model: "gpt-4o-mini", inputPerMillion: "0.15", outputPerMillion: "0.60"),
        Known(
            variable: "ANTHROPIC_API_KEY", provider: "anthropic", baseURL: "https://api.anthropic.com/v1",
            model: "claude-haiku-4-5", inputPerMillion: "1.00", outputPerMillion: "5.00"),
        Known(
            variable: "GEMINI_API_KEY", provider: "gemini",
            baseURL: "https://generativelanguage.googleapis.com/v1beta/openai",
            model: "gemini-2.5-flash", inputPerMillion: "0.30", outputPerMillion: "2.50"),
    ]

    /// Makes what is missing; answers the tenant's ID.
    func plant() async throws(CommandFailure) -> String {
        let tenant = try await find(
            "/tenants", named: Self.tenantName,
            else: ["slug": .string(Self.tenantName), "name": "Demo"])
        let under = "/tenants/\(tenant)"
        let workspace = try await find(
            "\(under)/workspaces", named: "default", else: ["slug": "default", "name": "default"])
        try await plantRoute(
            under, provider: "stand-in", baseURL: "http://127.0.0.1:\(ports.standIn)/v1",
            credential: "sk-stand-in-demo", model: "stand-in", route: Self.routeName, input: "0.50",
            output: "1.50")
        for known in Self.known {
            guard let credential = Stack.environment(known.variable) else { continue }
            try await plantRoute(
                under, provider: known.provider, baseURL: known.baseURL, credential: credential,
                model: known.model, route: known.model, input: known.inputPerMillion,
                output: known.outputPerMillion)
        }
        if !state.exists("demo-key") {
            let key = try await admin.post(
                "\(under)/keys", ["name": "demo", "workspace": .string(workspace)])
            guard let secret = key["secret"]?.string else {
                throw .software("the control plane made a key without showing it")
            }
            try state.write(secret, to: "demo-key")
        }
        return tenant
    }

    /// A join bundle for the first node of this machine.
    func joinBundle() async throws(CommandFailure) -> String {
        let token = try await admin.post("/join-tokens", ["node_name": "local"])
        guard let bundle = token["bundle"]?.string else {
            throw .software("the control plane made a join token without showing it")
        }
        return bundle
    }

    private func plantRoute(
        _ under: String, provider: String, baseURL: String, credential: String, model: String, route: String,
        input: String, output: String
    ) async throws(CommandFailure) {
        let routes = try await admin.list("\(under)/routes")
        if routes.contains(where: { $0["name"]?.string == route }) { return }
        let providerID = try await find(
            "\(under)/providers", named: provider,
            else: [
                "name": .string(provider), "kind": "openai", "base_url": .string(baseURL),
                "credential": .string(credential),
            ])
        let modelID = try await find(
            "\(under)/models", named: model, else: ["provider": .string(providerID), "name": .string(model)])
        _ = try await admin.post(
            "\(under)/models/\(modelID)/prices",
            ["input": .string(input), "output": .string(output)])
        _ = try await admin.post(
            "\(under)/routes", ["name": .string(route), "targets": [["model": .string(modelID)]]])
    }

    /// The ID of the thing of this name, made when there is none.
    private func find(
        _ path: String, named name: String, else body: JSONValue
    ) async throws(CommandFailure) -> String {
        let existing = try await admin.list(path).first {
            $0["slug"]?.string == name || $0["name"]?.string == name
        }
        let made = if let existing { existing } else { try await admin.post(path, body) }
        guard let id = made["id"]?.string else { throw .software("\(path) answered a thing without an id") }
        return id
    }
}
