import EventLoops
import Glibc
import HTTPCalling
import Telemetry
import Transport

/// `eclusa`: the admin client, and the whole stack on one machine.
@main enum CommandLineTool {
    static let release = "0.1.0"
    static let version = "eclusa \(release)"

    static let commands: [Command] =
        UpCommands.all + SessionCommands.all + UsageCommands.all + NodeCommands.all + BackupCommands.all
        + DeclarationCommands.all + CompletionCommands.all + OperationCommands.all

    static func main() {
        exit(run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs one command line to its end; answers the exit code.
    static func run(_ words: [String]) -> Int32 {
        switch words.first {
        case nil, "help", "--help", "-h":
            Console.out(overview)
            return 0
        case "--version", "version":
            Console.out(version)
            return 0
        case "__complete":
            for word in CompletionCommands.candidates(Array(words.dropFirst()), in: commands) {
                Console.out(word)
            }
            return 0
        default: break
        }
        do throws(CommandFailure) {
            let invocation = try Invocation(words, in: commands)
            if invocation.options["help"] != nil {
                Console.out(help(invocation.command))
                return 0
            }
            if let profile = invocation.options["profile"], !Session.isProfile(profile) {
                throw .usage("--profile is a name of letters, digits and hyphens, not '\(profile)'")
            }
            return try onLoop(invocation)
        } catch {
            return report(error)
        }
    }

    static func report(_ failure: CommandFailure) -> Int32 {
        Console.error("eclusa: \(failure.text)")
        return failure.exitCode
    }

    /// The command's help; of a noun also what else can be done with it.
    static func help(_ command: Command) -> String {
        let others = commands.filter { $0.words.count > 1 && $0.words[0] == command.words[0] }
        guard command.words.count == 1, !others.isEmpty else { return command.help }
        let rows = others.map { Command.row($0.words.joined(separator: " "), $0.summary) }
        return command.help + "\n\nAlso:\n" + rows.joined(separator: "\n")
    }

    /// One line a noun, in the order of the table.
    static var overview: String {
        var nouns: [String] = []
        for command in commands where !nouns.contains(command.words[0]) { nouns.append(command.words[0]) }
        let rows = nouns.map { noun in
            let verbs = Invocation.verbs(of: noun, in: commands)
            let alone = commands.first { $0.words == [noun] }
            return Command.row(noun, verbs.isEmpty ? alone?.summary ?? "" : verbs.joined(separator: ", "))
        }
        return """
            Eclusa: an open LLM gateway platform.

            Usage: eclusa <noun> [<verb>] [options]

            Nouns, and what can be done with them:
            \(rows.joined(separator: "\n"))

            Options:
            \(Command.row("--help", "show help, also after a noun or a verb"))
            \(Command.row("--version", "show the version"))

            Values of bodies may come from files: --document @FILE, @- for standard input, @@ for a first @.

            Exit codes: 0 done, 1 refused by the control plane, 64 wrong words, 69 no answer,
            70 a program broke, 73 a file or port cannot be had, 77 not signed in, 78 a setting is wrong.
            """
    }
}
