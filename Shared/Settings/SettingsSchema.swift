import Glibc

/// Settings that belong together, under one heading of the help and of the reference.
package struct SettingGroup: Sendable {
    let title: String
    let settings: [AnySetting]

    package init(_ title: String, _ settings: [any SettingDeclaration]) {
        self.title = title
        self.settings = settings.map(\.declaration)
    }
}

/// A condition between settings: the problem, or nil when all is well.
package typealias SettingsRule = @Sendable (SettingsValues) -> SettingProblem?

/// Every setting of one program: parses its flags and variables, prints its help, writes its reference.
package struct SettingsSchema: Sendable {
    package let program: String
    let summary: String
    let version: String
    let groups: [SettingGroup]
    let rules: [SettingsRule]
    /// Arguments that are not flags: how many, and how the help calls them.
    let operands: (maximum: Int, placeholder: String)
    /// `ECLUSA_` variables of other programs of this product, which may stand in the same environment.
    let foreignEnvironment: Set<String>

    package init(
        program: String, summary: String, version: String, groups: [SettingGroup], rules: [SettingsRule] = [],
        operands: (maximum: Int, placeholder: String) = (0, ""), foreignEnvironment: Set<String> = []
    ) {
        self.program = program
        self.summary = summary
        self.version = version
        self.groups = groups
        self.rules = rules
        self.operands = operands
        self.foreignEnvironment = foreignEnvironment
        let flags = settings.flatMap { $0.form == .secret ? [$0.name, $0.name + "-file"] : [$0.name] }
        precondition(Set(flags).count == flags.count, "\(program): two settings share a flag")
        precondition(
            !flags.contains("help") && !flags.contains("version"), "\(program): help and version are taken")
    }

    var settings: [AnySetting] { groups.flatMap(\.settings) }

    /// The variables this program reads, for the other programs' `foreignEnvironment`.
    package var environmentNames: Set<String> {
        Set(
            settings.flatMap {
                $0.form == .secret
                    ? [$0.environmentName, $0.environmentName + "_FILE"] : [$0.environmentName]
            })
    }

    /// Reads this process's arguments and environment. Does not return when there is nothing to run: prints
    /// help or version and exits with 0, or prints every problem and exits with 64 (arguments) or 78
    /// (environment).
    ///
    /// Variables that held secrets are removed from the environment, so that no child process inherits them.
    package func valuesOrExit() -> SettingsValues {
        do throws(SettingsError) {
            let outcome = try parse(
                arguments: Array(CommandLine.arguments.dropFirst()), environment: Self.processEnvironment())
            switch outcome {
            case .run(let values):
                for setting in settings where setting.form == .secret {
                    unsetenv(setting.environmentName)
                    if let other = setting.otherEnvironmentName { unsetenv(other) }
                }
                return values
            case .show(let text):
                Self.write(text + "\n", to: STDOUT_FILENO)
                exit(0)
            }
        } catch {
            Self.write("\(program): \(error.description)\n", to: STDERR_FILENO)
            exit(error.exitCode)
        }
    }

    /// The environment of this process.
    package static func processEnvironment() -> [String: String] {
        var environment: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let equals = pair.firstIndex(of: "=") {
                environment[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
            }
            entry += 1
        }
        return environment
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count <= 0 { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}
