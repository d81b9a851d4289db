import CSodium

/// A password as argon2id text (RFC 9106, PHC string): what is stored and checked instead of the password.
///
/// Making and checking take tens of milliseconds and `Cost.memoryKiB` of memory: run them on a bounded pool.
package struct PasswordHash: Sendable, Equatable {
    /// What one guess costs an attacker, and one login costs us. Lanes are always 1.
    package struct Cost: Sendable, Equatable {
        /// Unit: KiB; 19 456 (19 MiB) to 1 048 576 (1 GiB).
        package let memoryKiB: Int
        /// Passes over that memory; 2 to 16.
        package let passes: Int

        /// 19 MiB, 2 passes: about 25 ms; the least that is accepted.
        package static let standard = Cost(uncheckedMemoryKiB: 19_456, passes: 2)

        /// Nil outside the bounds.
        package init?(memoryKiB: Int, passes: Int) {
            guard (19_456...1_048_576).contains(memoryKiB), (2...16).contains(passes) else { return nil }
            self.init(uncheckedMemoryKiB: memoryKiB, passes: passes)
        }

        private init(uncheckedMemoryKiB: Int, passes: Int) {
            memoryKiB = uncheckedMemoryKiB
            self.passes = passes
        }
    }

    /// Longer passwords are refused before any work. Unit: UTF-8 bytes.
    package static let maximumPasswordBytes = 1_024

    /// `$argon2id$v=19$m=…,t=…,p=1$salt$hash`. Not a secret of the first order, and still never logged.
    package let text: String
    package let cost: Cost

    /// A stored hash, or nil when it is not argon2id within the bounds of `Cost`: a hostile row cannot ask
    /// for more.
    package init?(text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard text.utf8.count < Int(crypto_pwhash_STRBYTES), parts.count == 6, parts[0].isEmpty,
            parts[1] == "argon2id", parts[2] == "v=19", let cost = Self.cost(parts[3])
        else { return nil }
        self.text = text
        self.cost = cost
    }

    /// Hashes with a fresh random salt. `.malformed` for an empty password or one beyond the limit.
    package static func make(
        _ password: Secret, cost: Cost = .standard
    ) throws(CryptographyError) -> PasswordHash {
        guard !password.isEmpty, password.count <= maximumPasswordBytes else {
            throw .malformed("a password of 1 to \(maximumPasswordBytes) bytes")
        }
        Sodium.start()
        var output = [CChar](repeating: 0, count: Int(crypto_pwhash_STRBYTES))
        let result = password.withBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                crypto_pwhash_argon2id_str(
                    &output, bytes.baseAddress.unsafelyUnwrapped, UInt64(bytes.count), UInt64(cost.passes),
                    cost.memoryKiB * 1_024)
            }
        }
        let text = String(decoding: output.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard result == 0, let hash = PasswordHash(text: text) else {
            throw .library(operation: "argon2id", detail: "no \(cost.memoryKiB) KiB of memory")
        }
        return hash
    }

    /// Whether this is the password. Costs the same for a right and a wrong one.
    package func verifies(_ password: Secret) -> Bool {
        guard password.count <= Self.maximumPasswordBytes else { return false }
        Sodium.start()
        // The library wants its whole fixed-size text, zeros behind the hash included.
        var stored = [CChar](repeating: 0, count: Int(crypto_pwhash_STRBYTES))
        for (index, byte) in text.utf8.enumerated() { stored[index] = CChar(bitPattern: byte) }
        return password.withBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                crypto_pwhash_argon2id_str_verify(
                    stored, bytes.baseAddress.unsafelyUnwrapped, UInt64(bytes.count)) == 0
            }
        }
    }

    /// Whether a successful login should store the password anew, because the cost asked for has changed.
    package func needsRehash(for cost: Cost) -> Bool { self.cost != cost }

    /// A hash no password fits, to be checked for unknown users so that they take as long as known ones.
    package static func decoy(cost: Cost = .standard) throws(CryptographyError) -> PasswordHash {
        try make(Secret.random(count: 32), cost: cost)
    }

    /// `m=19456,t=2,p=1`, exactly.
    private static func cost(_ text: Substring) -> Cost? {
        let fields = text.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count == 3, fields[0].hasPrefix("m="), fields[1].hasPrefix("t="), fields[2] == "p=1",
            let memoryKiB = Int(fields[0].dropFirst(2)), let passes = Int(fields[1].dropFirst(2))
        else { return nil }
        return Cost(memoryKiB: memoryKiB, passes: passes)
    }
}
