extension SettingsSchema {
    /// Reads flags and variables; throws every problem at once, each with its fix.
    ///
    /// `arguments` without the program's name. Empty variables count as not set. `ECLUSA_` variables nobody
    /// knows are problems: a misspelt one must not silently mean the default.
    package func parse(
        arguments: [String], environment: [String: String]
    ) throws(SettingsError) -> SettingsOutcome {
        var parser = SettingsParser(self)
        parser.read(arguments)
        if let text = parser.shownText { return .show(text) }
        parser.read(environment)
        return .run(try parser.finish())
    }
}

private struct SettingsParser {
    private struct Given {
        var text: String
        var label: String
        var source: SettingSource
    }

    private let schema: SettingsSchema
    private let settings: [AnySetting]
    private var given: [String: Given] = [:]
    private var operands: [String] = []
    private var problems: [SettingProblem] = []
    private(set) var shownText: String?

    init(_ schema: SettingsSchema) {
        self.schema = schema
        settings = schema.settings
    }

    // MARK: Arguments

    mutating func read(_ arguments: [String]) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h": shownText = schema.helpText
            case "--version": shownText = "\(schema.program) \(schema.version)"
            case "--":
                for operand in rest { addOperand(operand) }
                return
            default:
                if argument.hasPrefix("-") && argument != "-" {
                    readFlag(argument, &rest)
                } else {
                    addOperand(argument)
                }
            }
            if shownText != nil { return }
        }
    }

    private mutating func addOperand(_ operand: String) {
        operands.append(operand)
        if operands.count == schema.operands.maximum + 1 {
            complain(
                quoted(operand), "is not expected here",
                schema.operands.maximum == 0
                    ? "give settings as --name VALUE" : "give only \(schema.operands.placeholder)")
        }
    }

    private mutating func readFlag(_ argument: String, _ rest: inout ArraySlice<String>) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let flag = parts[0]
        let attached = parts.count == 2 ? parts[1] : nil
        if let setting = settings.first(where: { $0.flag == flag }) {
            guard setting.form != .boolean else { return give(setting, attached ?? "true", flag) }
            // A following flag is not a value: it was forgotten.
            guard let text = attached ?? rest.first, attached != nil || !text.hasPrefix("--") else {
                return complain(flag, "has no value", "write \(flag) \(setting.placeholder ?? "VALUE")")
            }
            if attached == nil { rest.removeFirst() }
            give(setting, setting.form == .secret ? "file:" + text : text, flag)
        } else if let setting = settings.first(where: { $0.form == .boolean && "--no-\($0.name)" == flag }) {
            guard attached == nil else { return complain(flag, "takes no value", "write \(flag) alone") }
            give(setting, "false", flag)
        } else if let setting = settings.first(where: { $0.form == .secret && "--\($0.name)" == flag }) {
            // The value is swallowed, not shown: it may be the secret.
            if attached == nil, let next = rest.first, !next.hasPrefix("--") { rest.removeFirst() }
            complain(
                flag, "would show the secret to every user of this machine",
                "use \(setting.flag) PATH or the variable \(setting.environmentName)")
        } else {
            let flags =
                settings.map(\.flag) + settings.filter { $0.form == .boolean }.map { "--no-\($0.name)" }
            let nearest = NearestName.of(flag, among: flags + ["--help", "--version"])
            complain(flag, "is not a setting", nearest.map { "did you mean \($0)?" } ?? "see --help")
            if attached == nil, let next = rest.first, !next.hasPrefix("-") { rest.removeFirst() }
        }
    }

    private mutating func give(_ setting: AnySetting, _ text: String, _ flag: String) {
        if var earlier = given[setting.name] {
            guard case .list = setting.form else {
                return complain(flag, "is given twice", "give it once")
            }
            earlier.text += "," + text
            given[setting.name] = earlier
        } else {
            given[setting.name] = Given(text: text, label: flag, source: .argument)
        }
    }

    private mutating func complain(_ setting: String, _ what: String, _ fix: String) {
        problems.append(SettingProblem(setting, what: what, fix: fix, isAboutArguments: true))
    }

    // MARK: Environment

    mutating func read(_ environment: [String: String]) {
        for setting in settings {
            var found: [(label: String, text: String)] = []
            if let text = environment[setting.environmentName] {
                found.append((setting.environmentName, text))
            }
            if setting.form == .secret, let path = environment[setting.environmentName + "_FILE"],
                !path.isEmpty
            {
                found.append((setting.environmentName + "_FILE", "file:" + path))
            }
            if let other = setting.otherEnvironmentName, let text = environment[other] {
                found.append((other, text))
            }
            found.removeAll { $0.text.isEmpty }
            guard given[setting.name] == nil, let first = found.first else { continue }
            if found.count > 1, Set(found.map(\.text)).count > 1 {
                let names = NearestName.listed(found.map(\.label))
                problems.append(SettingProblem(names, what: "contradict each other", fix: "set one of them"))
            }
            given[setting.name] = Given(text: first.text, label: first.label, source: .environment)
        }
        let known = schema.environmentNames
        for name in environment.keys.sorted() where name.hasPrefix("ECLUSA_") && !known.contains(name) {
            if schema.foreignEnvironment.contains(name) { continue }
            let nearest = NearestName.of(name, among: known.sorted())
            problems.append(
                SettingProblem(
                    name, what: "is not a variable of \(schema.program)",
                    fix: nearest.map { "did you mean \($0)?" } ?? "unset it, or see --help"))
        }
    }

    // MARK: Values

    mutating func finish() throws(SettingsError) -> SettingsValues {
        var values = SettingsValues()
        values.operands = operands
        for setting in settings {
            let isSecret = setting.form == .secret
            if let given = given[setting.name] {
                do throws(SettingFault) {
                    values.entries[setting.name] = SettingsValues.Entry(
                        value: try setting.read(given.text), text: isSecret ? nil : given.text,
                        source: given.source,
                        isSecret: isSecret)
                } catch {
                    problems.append(
                        SettingProblem(
                            given.label, what: error.what, fix: error.fix,
                            isAboutArguments: given.source == .argument))
                }
            } else if let value = setting.defaultValue {
                values.entries[setting.name] = SettingsValues.Entry(
                    value: value, text: setting.defaultText, source: .default, isSecret: isSecret)
            } else {
                let names =
                    [setting.flag, setting.environmentName]
                    + (setting.otherEnvironmentName.map { [$0] } ?? [])
                problems.append(
                    SettingProblem(
                        setting.flag, what: "is required", fix: "give \(NearestName.listed(names))"))
            }
        }
        // Rules read values, so they run only when all of them are there.
        if problems.isEmpty { problems = schema.rules.compactMap { $0(values) } }
        guard problems.isEmpty else { throw SettingsError(problems: problems) }
        return values
    }
}
