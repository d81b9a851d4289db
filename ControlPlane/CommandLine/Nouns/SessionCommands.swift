import JSONText

/// Signing in and out.
enum SessionCommands {
    static let all = [
        Command(
            words: ["login"], summary: "Sign in to a control plane",
            options: [
                .init(name: "url", value: "URL", help: "the control plane, default http://127.0.0.1:7070"),
                .init(name: "email", value: "EMAIL", help: "your e-mail address", isRequired: true),
                .init(
                    name: "password-file", value: "FILE",
                    help: "a file with the password; without it the terminal asks"),
                .init(
                    name: "code", value: "CODE",
                    help: "a code of your authenticator app, or a recovery code; without it the terminal asks"
                ),
            ], run: login),
        Command(words: ["logout"], summary: "Forget the session", run: logout),
        Command(words: ["whoami"], summary: "Show who is signed in", run: whoami),
    ]

    static func login(_ invocation: Invocation, _ context: CommandContext) async throws {
        var url = invocation.options["url"] ?? "http://127.0.0.1:7070"
        if url.hasSuffix("/") { url.removeLast() }
        let password: String
        if let file = invocation.options["password-file"] {
            let bytes = try StateDirectory.read(file, maximumBytes: 4096)
            password = String(decoding: bytes, as: UTF8.self).trimmingNewlines()
        } else if let typed = Console.ask("Password: ", echo: false) {
            password = typed
        } else {
            throw CommandFailure.usage("no password; pass --password-file FILE")
        }
        let session = try await AdminClient.login(
            http: context.http, url: url, email: invocation.options["email"] ?? "", password: password,
            code: { invocation.options["code"] ?? Console.ask("Code: ", echo: true)?.trimmingNewlines() })
        let path = Session.path(profile: context.profile)
        try StateDirectory.makeFolder(
            String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]), mode: 0o700)
        try session.write(path)
        Console.error("Signed in to \(url).")
    }

    static func logout(_ invocation: Invocation, _ context: CommandContext) async throws {
        let path = Session.path(profile: context.profile)
        guard Session.read(path) != nil else {
            Console.error("Not signed in.")
            return
        }
        // The server's half first: a refresh token that is only forgotten would live on.
        let admin = try context.admin()
        _ = try? await admin.delete("/sessions/current")
        try StateDirectory.delete(path)
        Console.error("Signed out.")
    }

    static func whoami(_ invocation: Invocation, _ context: CommandContext) async throws {
        invocation.show(try await context.admin().get("/me"))
    }
}

extension String {
    func trimmingNewlines() -> String {
        var text = self
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}
