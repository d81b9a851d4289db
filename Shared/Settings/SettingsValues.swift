/// Where a value came from.
package enum SettingSource: String, Sendable {
    case argument, environment, `default`
}

/// The values of one run, typed by the settings they belong to.
package struct SettingsValues: Sendable {
    struct Entry: Sendable {
        let value: any Sendable
        let text: String?
        let source: SettingSource
        let isSecret: Bool
    }

    var entries: [String: Entry] = [:]
    /// Arguments that are not flags, in order.
    package internal(set) var operands: [String] = []

    /// The setting's value. The setting must be part of the schema that was parsed.
    package subscript<Value>(setting: Setting<Value>) -> Value {
        guard let value = entries[setting.name]?.value as? Value else {
            preconditionFailure("\(setting.name) is not a setting of this program")
        }
        return value
    }

    /// Where the setting's value came from.
    package func source<Value>(of setting: Setting<Value>) -> SettingSource {
        entries[setting.name]?.source ?? .default
    }

    /// Every setting as text for the log, sorted by name; of a secret only whether it is set.
    package var redacted: [(name: String, text: String, source: SettingSource)] {
        entries.sorted { $0.key < $1.key }.map { name, entry in
            let isSet = entry.source != .default
            let text = entry.isSecret ? (isSet ? "(set)" : "(not set)") : entry.text ?? "(not set)"
            return (name, text, entry.source)
        }
    }
}

/// What a program is asked to do.
package enum SettingsOutcome: Sendable {
    case run(SettingsValues)
    /// Print this text on standard output and exit with 0: the help, or the version.
    case show(String)
}

/// One thing wrong with the settings, and what to do about it.
package struct SettingProblem: Sendable, Equatable, CustomStringConvertible {
    /// The flag or variable, as the user knows it.
    package let setting: String
    /// Continues the sentence: `is "ten"`, `is required`.
    package let what: String
    package let fix: String
    let isAboutArguments: Bool

    package init(_ setting: String, what: String, fix: String, isAboutArguments: Bool = false) {
        self.setting = setting
        self.what = what
        self.fix = fix
        self.isAboutArguments = isAboutArguments
    }

    package var description: String { "\(setting) \(what); \(fix)" }
}

/// Everything wrong with the settings, at once.
package struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    package let problems: [SettingProblem]

    /// 64 (EX_USAGE) when an argument is wrong, else 78 (EX_CONFIG); sysexits(3).
    package var exitCode: Int32 { problems.contains { $0.isAboutArguments } ? 64 : 78 }

    package var description: String {
        let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
        return "\(count) with the settings\n" + problems.map { "  \($0)" }.joined(separator: "\n")
            + "\n  --help lists every setting"
    }
}
