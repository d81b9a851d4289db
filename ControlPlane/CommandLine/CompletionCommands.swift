/// Completion for shells: a short script that asks the program itself, so that it never falls behind.
enum CompletionCommands {
    static let shells = ["bash", "zsh", "fish"]

    static let all = [
        Command(
            words: ["completion"], summary: "Print a completion script for a shell: bash, zsh or fish",
            arguments: [.init(name: "shell", help: "bash, zsh or fish")]
        ) { invocation, _ in
            Console.out(try script(for: invocation.arguments[0]))
        }
    ]

    static func script(for shell: String) throws(CommandFailure) -> String {
        switch shell {
        case "bash":
            return """
                # eclusa completion: source <(eclusa completion bash)
                _eclusa() {
                    local IFS=$'\\n'
                    COMPREPLY=($(eclusa __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
                    [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default 2>/dev/null
                }
                complete -F _eclusa eclusa
                """
        case "zsh":
            return """
                #compdef eclusa
                # eclusa completion: source <(eclusa completion zsh)
                _eclusa() {
                    local -a found
                    found=("${(@f)$(eclusa __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
                    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
                }
                compdef _eclusa eclusa
                """
        case "fish":
            return """
                # eclusa completion: eclusa completion fish | source
                function __eclusa
                    eclusa __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null
                end
                complete -c eclusa -f -a '(__eclusa)'
                """
        default:
            throw .usage("there is completion for \(shells.joined(separator: ", ")), not for '\(shell)'")
        }
    }

    /// The files a path may become, folders with a slash at their end.
    private static func files(_ path: String) -> [String] {
        let end = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let folder = String(path[..<end])
        let start = String(path[end...])
        let names = StateDirectory.names(in: folder.isEmpty ? "." : folder).filter {
            $0.hasPrefix(start) && (start.hasPrefix(".") || !$0.hasPrefix("."))
        }
        return names.sorted().prefix(200).map { name in
            "\(folder)\(name)\(StateDirectory.isFolder(folder + name) ? "/" : "")"
        }
    }

    /// What may follow: the last of `words` is what is being typed.
    static func candidates(_ words: [String], in table: [Command]) -> [String] {
        let typed = words.last ?? ""
        let before = Array(words.dropLast())
        if typed.hasPrefix("-") {
            let command = table.filter { before.starts(with: $0.words) }.max {
                $0.words.count < $1.words.count
            }
            guard let command else { return ["--help", "--version"].filter { $0.hasPrefix(typed) } }
            let given = Set(before.filter { $0.hasPrefix("--") })
            return (command.options + Command.everywhere).map { "--\($0.name)" }
                .filter { $0.hasPrefix(typed) && !given.contains($0) }
        }
        if typed.hasPrefix("@") { return files(String(typed.dropFirst())).map { "@" + $0 } }
        // To bash the @ is a word of its own.
        if before.last == "@" { return files(typed) }
        if before == ["completion"] { return shells.filter { $0.hasPrefix(typed) } }
        if let option = before.last, option.hasPrefix("--") {
            let command = table.filter { before.starts(with: $0.words) }.max {
                $0.words.count < $1.words.count
            }
            let value = command?.options.first { "--\($0.name)" == option }?.value
            let words = value?.split(separator: "|").map(String.init) ?? []
            return words.count > 1 ? words.filter { $0.hasPrefix(typed) } : []
        }
        let next = table.filter { $0.words.count > before.count && $0.words.starts(with: before) }
            .map { $0.words[before.count] }
        return Set(next).filter { $0.hasPrefix(typed) }.sorted()
    }
}
