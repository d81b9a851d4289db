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
        UpCommands.all + SessionCommands.all + TenantCommands.all + KeyCommands.all + ProviderCommands.all
        + NodeCommands.all + UsageCommands.all + BackupCommands.all

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
        default: break
        }
        do throws(CommandFailure) {
            let invocation = try Invocation(words, in: commands)
            if invocation.options["help"] != nil {
                Console.out(invocation.command.help)
                return 0
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

    static var overview: String {
        let rows = commands.map { Command.row($0.words.joined(separator: " "), $0.summary) }
        return """
            Eclusa: an open LLM gateway platform.

            Usage: eclusa <command> [options]

            Commands:
            \(rows.joined(separator: "\n"))

            Options:
            \(Command.row("--help", "show help, also after a command"))
            \(Command.row("--version", "show the version"))

            Exit codes: 0 done, 1 refused by the control plane, 64 wrong words, 69 no answer,
            70 a program broke, 73 a file or port cannot be had, 77 not signed in, 78 a setting is wrong.
            """
    }
}
