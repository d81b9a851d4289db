package import Cryptography

extension Setting where Value == Secret {
    /// A secret that must be given: in a file named by `--<name>-file`, or in the variable, there also as
    /// `file:PATH`.
    ///
    /// Empty, short and well-known values are refused at start.
    package static func secret(_ name: String, minimumBytes: Int = 1, help: String) -> Setting<Secret> {
        Setting(name: name, help: help, form: .secret, defaultValue: nil, defaultText: nil) {
            text throws(SettingFault) in try SecretSource.read(text, minimumBytes: minimumBytes)
        }
    }
}

extension Setting where Value == Secret? {
    /// A secret that may be missing.
    package static func optionalSecret(
        _ name: String, minimumBytes: Int = 1, help: String
    ) -> Setting<Secret?> {
        Setting(name: name, help: help, form: .secret, defaultValue: .some(nil), defaultText: nil) {
            text throws(SettingFault) in try SecretSource.read(text, minimumBytes: minimumBytes)
        }
    }
}
