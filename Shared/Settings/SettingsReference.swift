extension SettingsSchema {
    /// What `--help` prints: every setting with its variable and default, within 100 columns.
    package var helpText: String {
        let operand = operands.maximum > 0 ? " \(operands.placeholder)" : ""
        var text = "\(program): \(summary)\n\nUsage: \(program) [settings]\(operand)\n"
        for group in groups {
            text += "\n\(group.title)\n"
            for setting in group.settings {
                text += "  " + setting.usage + "\n"
                for line in wrapped(setting.help + setting.annotation, width: 92) {
                    text += "        \(line)\n"
                }
            }
        }
        text += "\n  --help\n        Prints this page.\n  --version\n        Prints the version.\n\n"
        text += "A setting --some-name is also read from ECLUSA_SOME_NAME; the flag wins.\n"
        return text + "Secrets come from files or variables, never from flags; a variable may say file:PATH."
    }

    /// The page of the reference documentation for this program, in Markdown.
    package var markdown: String {
        var text = "# Settings of `\(program)`\n\n\(summary)\n\n"
        text +=
            "A flag wins over its variable, the variable over the default. "
            + "Generated from the program: do not edit.\n"
        for group in groups {
            text += "\n## \(group.title)\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n"
            for setting in group.settings {
                var variables = ["`\(setting.environmentName)`"]
                if let other = setting.otherEnvironmentName { variables.append("`\(other)`") }
                let cells = [
                    "`\(setting.usage)`", variables.joined(separator: ", "), setting.defaultCell,
                    setting.help,
                ]
                text += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
            }
        }
        return text
    }

    private func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty && line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}

extension AnySetting {
    fileprivate var usage: String {
        guard let placeholder else { return "--[no-]\(name)" }
        return "\(flag) \(placeholder)"
    }

    fileprivate var annotation: String {
        if let defaultText { return " (default \(defaultText))" }
        return isRequired ? " (required)" : ""
    }

    fileprivate var defaultCell: String {
        if let defaultText { return "`\(defaultText)`" }
        return isRequired ? "required" : "none"
    }
}
