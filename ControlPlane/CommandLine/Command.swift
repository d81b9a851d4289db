/// One command of `eclusa`, as a value: dispatch, `--help` and the usage errors come from this table.
struct Command: Sendable {
    let words: [String]
    let summary: String
    var arguments: [Argument] = []
    var options: [Option] = []
    /// What there is to know beside the options.
    var note: String?
    let run: @Sendable (Invocation, CommandContext) async throws -> Void

    /// A word without dashes, by position.
    struct Argument: Sendable {
        let name: String
        let help: String
    }

    /// `--name VALUE`, or a switch when `value` is nil.
    struct Option: Sendable {
        let name: String
        var value: String?
        let help: String
        var isRequired = false
    }

    static let everywhere = [
        Option(name: "json", help: "print JSON instead of a table"),
        Option(name: "profile", value: "NAME", help: "the session to use, as from login --profile NAME"),
        Option(name: "help", help: "show this help"),
    ]

    var usage: String {
        let positions = arguments.map { " <\($0.name)>" }.joined()
        let needed = options.filter(\.isRequired).map { " --\($0.name) \($0.value ?? "")" }.joined()
        return "eclusa \(words.joined(separator: " "))\(positions)\(needed) [options]"
    }

    var help: String {
        var lines = [summary, "", "Usage: \(usage)"]
        if !arguments.isEmpty {
            lines += ["", "Arguments:"] + arguments.map { Self.row("<\($0.name)>", $0.help) }
        }
        lines += ["", "Options:"]
        lines += (options + Self.everywhere).map { option in
            let required = option.isRequired ? " (required)" : ""
            return Self.row("--\(option.name)\(option.value.map { " \($0)" } ?? "")", option.help + required)
        }
        if let note { lines += ["", note] }
        return lines.joined(separator: "\n")
    }

    static func row(_ left: String, _ right: String) -> String {
        let width = 30
        if left.count >= width { return "  \(left)\n  \(String(repeating: " ", count: width))\(right)" }
        return "  \(left)\(String(repeating: " ", count: width - left.count))\(right)"
    }
}

/// A command with the words and options it was called with.
struct Invocation {
    let command: Command
    let arguments: [String]
    let options: [String: String]

    /// Matches `words` against the table; a usage failure says what was wrong and what would be right.
    init(_ words: [String], in table: [Command]) throws(CommandFailure) {
        guard let command = Self.command(for: words, in: table) else { throw Self.unknown(words, in: table) }
        var arguments: [String] = []
        var options: [String: String] = [:]
        var rest = words.dropFirst(command.words.count)
        while let word = rest.popFirst() {
            // The one short option that everybody's fingers know.
            let word = word == "-f" ? "--file" : word
            guard word.hasPrefix("--") else {
                arguments.append(word)
                continue
            }
            let (name, inline) = Self.split(word.dropFirst(2))
            let known = command.options + Command.everywhere
            guard let option = known.first(where: { $0.name == name }) else {
                let nearest =
                    Nearest.name(to: name, among: known.map(\.name)).map { "; did you mean --\($0)?" } ?? ""
                throw .usage("unknown option --\(name)\(nearest)\nUsage: \(command.usage)")
            }
            if options[name] != nil { throw .usage("--\(name) is given twice") }
            if let value = option.value {
                guard let given = inline ?? rest.popFirst(), inline != nil || !given.hasPrefix("--") else {
                    throw .usage("--\(name) needs a value: --\(name) \(value)")
                }
                options[name] = given
            } else if inline != nil {
                throw .usage("--\(name) takes no value")
            } else {
                options[name] = "true"
            }
        }
        if options["help"] == nil { try Self.check(command, arguments, options, table) }
        (self.command, self.arguments, self.options) = (command, arguments, options)
    }

    var wantsJSON: Bool { options["json"] != nil }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(CommandFailure) -> Int? {
        guard let text = options[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .usage(
                "--\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), "
                    + "not '\(text)'"
            )
        }
        return number
    }

    private static func check(
        _ command: Command, _ arguments: [String], _ options: [String: String], _ table: [Command]
    ) throws(CommandFailure) {
        if arguments.count < command.arguments.count {
            let missing = command.arguments[arguments.count]
            throw .usage("missing <\(missing.name)>: \(missing.help)\nUsage: \(command.usage)")
        }
        if arguments.count > command.arguments.count {
            let extra = arguments[command.arguments.count]
            let verbs = Self.verbs(of: command.words[0], in: table)
            let nearest = Nearest.name(to: extra, among: verbs).map {
                "; did you mean '\(command.words[0]) \($0)'?"
            }
            throw .usage("unexpected '\(extra)'\(nearest ?? "")\nUsage: \(command.usage)")
        }
        for option in command.options where option.isRequired && options[option.name] == nil {
            throw .usage(
                "missing --\(option.name) \(option.value ?? ""): \(option.help)\nUsage: \(command.usage)")
        }
    }

    static func verbs(of noun: String, in table: [Command]) -> [String] {
        table.filter { $0.words.count > 1 && $0.words[0] == noun }.map { $0.words[1] }
    }

    private static func split(_ word: Substring) -> (name: String, value: String?) {
        guard let equals = word.firstIndex(of: "=") else { return (String(word), nil) }
        return (String(word[..<equals]), String(word[word.index(after: equals)...]))
    }

    /// The command with the most leading words in common, so that `keys create` wins over `keys`.
    private static func command(for words: [String], in table: [Command]) -> Command? {
        table.filter { words.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
    }

    private static func unknown(_ words: [String], in table: [Command]) -> CommandFailure {
        let plain = words.prefix { !$0.hasPrefix("-") }
        if plain.isEmpty {
            return .usage("unknown option \(words.first ?? ""); see 'eclusa --help'")
        }
        let group = table.filter { $0.words.first == plain.first }
        if !group.isEmpty {
            let verbs = group.map { $0.words.joined(separator: " ") }.joined(separator: ", ")
            let nearest = Nearest.name(
                to: plain.dropFirst().first ?? "", among: Self.verbs(of: plain[0], in: table)
            )
            .map { "; did you mean '\(plain[0]) \($0)'?" }
            return .usage(
                "'\(plain.joined(separator: " "))' is not a command\(nearest ?? "; there is: \(verbs)")")
        }
        let names = Set(table.map { $0.words[0] }).sorted()
        let nearest = Nearest.name(to: plain[0], among: names).map { "; did you mean '\($0)'?" } ?? ""
        return .usage("unknown command '\(plain[0])'\(nearest) See 'eclusa --help'")
    }
}

/// The closest known name, for "did you mean".
enum Nearest {
    static func name(to word: String, among names: [String]) -> String? {
        let ranked = names.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.1 < $1.1 }), best.1 <= max(2, word.count / 3) else { return nil }
        return best.0
    }

    /// Levenshtein's edit distance; words of a command line are short.
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let change = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }
}
