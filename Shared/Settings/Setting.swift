/// One setting of a program: a flag, an environment variable, a type, a default and a sentence of help.
///
/// The flag `--listen-address` and the variable `ECLUSA_LISTEN_ADDRESS` are the setting `listen-address`. A
/// flag beats the variable, the variable beats the default. Made by the factories below; read from
/// `SettingsValues`.
package struct Setting<Value: Sendable>: Sendable {
    package let name: String
    package let help: String
    let form: SettingForm
    let defaultValue: Value?
    /// The default as the reference shows it.
    let defaultText: String?
    let read: @Sendable (String) throws(SettingFault) -> Value
    var otherEnvironmentName: String?

    /// The same setting, read also from a variable without the prefix, such as `DATABASE_URL`.
    package func readingAlso(environment name: String) -> Setting {
        var copy = self
        copy.otherEnvironmentName = name
        return copy
    }
}

/// How a setting is written.
enum SettingForm: Sendable, Equatable {
    /// `--verbose`, `--no-verbose`, `--verbose=true`.
    case boolean
    /// `--name TEXT`.
    case value(placeholder: String)
    /// `--name A,B` or `--name A --name B`.
    case list(placeholder: String)
    /// `--name-file PATH`, or the variable; never the value itself as an argument.
    case secret
}

/// Why a text is no value of a setting, and what would be.
package struct SettingFault: Error, Sendable, Equatable {
    /// Continues the sentence "--name …", such as `is not a whole number`.
    package let what: String
    /// An instruction, such as `give a whole number from 1 to 64`.
    package let fix: String

    package init(what: String, fix: String) {
        self.what = what
        self.fix = fix
    }
}

/// A setting of any type, as a schema lists it.
package protocol SettingDeclaration: Sendable {
    var declaration: AnySetting { get }
}

extension Setting: SettingDeclaration {
    package var declaration: AnySetting {
        let read = read
        return AnySetting(
            name: name, help: help, form: form, defaultText: defaultText, defaultValue: defaultValue,
            otherEnvironmentName: otherEnvironmentName,
            read: { text throws(SettingFault) -> any Sendable in try read(text) })
    }
}

/// A setting without its type.
package struct AnySetting: Sendable {
    package let name: String
    let help: String
    let form: SettingForm
    let defaultText: String?
    let defaultValue: (any Sendable)?
    let otherEnvironmentName: String?
    let read: @Sendable (String) throws(SettingFault) -> any Sendable

    var flag: String { form == .secret ? "--\(name)-file" : "--\(name)" }
    var environmentName: String { "ECLUSA_" + name.uppercased().replacing("-", with: "_") }
    var isRequired: Bool { defaultValue == nil }

    var placeholder: String? {
        switch form {
        case .boolean: nil
        case .value(let placeholder): placeholder
        case .list(let placeholder): placeholder + ",…"
        case .secret: "PATH"
        }
    }
}

// MARK: Kinds of settings

extension Setting where Value == String {
    /// Any text that is not empty; `default` nil makes it required.
    package static func text(
        _ name: String, as placeholder: String = "TEXT", default: String?, help: String
    ) -> Setting {
        Setting(
            name: name, help: help, form: .value(placeholder: placeholder), defaultValue: `default`,
            defaultText: `default`
        ) { text throws(SettingFault) in
            guard !text.isEmpty else { throw SettingFault(what: "is empty", fix: "give a \(placeholder)") }
            return text
        }
    }
}

extension Setting where Value == String? {
    /// Any text, or none.
    package static func optionalText(_ name: String, as placeholder: String = "TEXT", help: String) -> Setting
    {
        Setting(
            name: name, help: help, form: .value(placeholder: placeholder), defaultValue: .some(nil),
            defaultText: nil
        ) { text in text.isEmpty ? nil : text }
    }
}

extension Setting where Value == [String] {
    /// Texts separated by commas; as a flag also repeated.
    package static func list(
        _ name: String, as placeholder: String = "TEXT", default: [String] = [], help: String
    ) -> Setting {
        Setting(
            name: name, help: help, form: .list(placeholder: placeholder), defaultValue: `default`,
            defaultText: `default`.isEmpty ? nil : `default`.joined(separator: ",")
        ) { text throws(SettingFault) in
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard parts.allSatisfy({ !$0.isEmpty }) else {
                throw SettingFault(what: "has an empty entry", fix: "separate entries by single commas")
            }
            return parts
        }
    }
}

extension Setting where Value == Bool {
    package static func boolean(_ name: String, default: Bool, help: String) -> Setting {
        Setting(name: name, help: help, form: .boolean, defaultValue: `default`, defaultText: "\(`default`)")
        {
            text throws(SettingFault) in
            switch text {
            case "true": return true
            case "false": return false
            default: throw SettingFault(what: "is \(quoted(text))", fix: "give true or false")
            }
        }
    }
}

extension Setting where Value == Int {
    /// A whole number within the range; `unit` is shown in the help.
    package static func integer(
        _ name: String, as placeholder: String = "N", default: Int?, in range: ClosedRange<Int>, help: String
    ) -> Setting {
        precondition(`default`.map(range.contains) ?? true, "\(name): the default is out of range")
        return Setting(
            name: name, help: help, form: .value(placeholder: placeholder), defaultValue: `default`,
            defaultText: `default`.map { "\($0)" }
        ) { text throws(SettingFault) in
            let fix = "give a whole number from \(range.lowerBound) to \(range.upperBound)"
            guard let value = Int(text) else { throw SettingFault(what: "is \(quoted(text))", fix: fix) }
            guard range.contains(value) else { throw SettingFault(what: "is \(value)", fix: fix) }
            return value
        }
    }

    /// A number of bytes: `1024`, `64KiB`, `10MiB`, `1GiB`.
    package static func byteCount(
        _ name: String, default: Int, in range: ClosedRange<Int>, help: String
    ) -> Setting {
        precondition(range.contains(`default`), "\(name): the default is out of range")
        return Setting(
            name: name, help: help, form: .value(placeholder: "BYTES"), defaultValue: `default`,
            defaultText: QuantityText.bytes(`default`)
        ) { text throws(SettingFault) in
            let fix =
                "give \(QuantityText.bytes(range.lowerBound)) to "
                + "\(QuantityText.bytes(range.upperBound)), as in 64KiB"
            guard let value = QuantityText.parseBytes(text), range.contains(value) else {
                throw SettingFault(what: "is \(quoted(text))", fix: fix)
            }
            return value
        }
    }
}

extension Setting where Value == Duration {
    /// A time span: `250ms`, `30s`, `5m`, `24h`, `7d`.
    package static func duration(
        _ name: String, default: Duration, in range: ClosedRange<Duration>, help: String
    ) -> Setting {
        precondition(range.contains(`default`), "\(name): the default is out of range")
        return Setting(
            name: name, help: help, form: .value(placeholder: "TIME"), defaultValue: `default`,
            defaultText: QuantityText.duration(`default`)
        ) { text throws(SettingFault) in
            let bounds =
                "\(QuantityText.duration(range.lowerBound)) to \(QuantityText.duration(range.upperBound))"
            guard let value = QuantityText.parseDuration(text), range.contains(value) else {
                throw SettingFault(
                    what: "is \(quoted(text))", fix: "give \(bounds), as in 250ms, 30s, 5m, 24h or 7d")
            }
            return value
        }
    }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases of an enumeration.
    package static func choice(_ name: String, default: Value, help: String) -> Setting {
        let names = Value.allCases.map(\.rawValue)
        return Setting(
            name: name, help: help, form: .value(placeholder: names.joined(separator: "|")),
            defaultValue: `default`, defaultText: `default`.rawValue
        ) { text throws(SettingFault) in
            guard let value = Value(rawValue: text) else {
                throw SettingFault(what: "is \(quoted(text))", fix: "give \(NearestName.listed(names))")
            }
            return value
        }
    }
}

extension Setting {
    /// A value of the caller's own type. `default` is text, as a user would write it; nil makes the setting
    /// required.
    ///
    /// `expects` completes "give …", such as `a host and a port, as in 127.0.0.1:8080`.
    package static func value(
        _ name: String, as placeholder: String, default text: String?, help: String, expects: String,
        _ parse: @escaping @Sendable (String) -> Value?
    ) -> Setting {
        let defaultValue = text.flatMap(parse)
        precondition(text == nil || defaultValue != nil, "\(name): the default is not a value of the setting")
        return Setting(
            name: name, help: help, form: .value(placeholder: placeholder), defaultValue: defaultValue,
            defaultText: text
        ) { text throws(SettingFault) in
            guard let value = parse(text) else {
                throw SettingFault(what: "is \(quoted(text))", fix: "give \(expects)")
            }
            return value
        }
    }
}

/// A text as a problem shows it: quoted, on one line, and not endless.
func quoted(_ text: String) -> String {
    text.count > 64 ? String(text.prefix(64)).debugDescription + "…" : text.debugDescription
}
