package import Cryptography
import Domain

/// What a new password must be: long enough, not the e-mail address, and not on the list of breached ones.
/// Sendable: loaded once and shared by all loops.
package struct PasswordPolicy: Sendable {
    package let minimumBytes: Int
    package let breached: BreachList

    package init(
        minimumBytes: Int = User.passwordLengths.lowerBound, breached: BreachList = BreachList(text: [])
    ) {
        self.minimumBytes = min(
            max(minimumBytes, User.passwordLengths.lowerBound), User.passwordLengths.upperBound)
        self.breached = breached
    }

    /// What is wrong with a new password; the message never quotes it.
    func problem(_ password: Secret, email: String, at pointer: String) -> ValidationError? {
        if password.count < minimumBytes {
            return ValidationError(pointer, .tooShort, "must have at least \(minimumBytes) bytes")
        }
        if password.count > User.passwordLengths.upperBound {
            return ValidationError(
                pointer, .tooLong, "must have at most \(User.passwordLengths.upperBound) bytes")
        }
        let isAddress = password.withBytes {
            String(decoding: $0, as: UTF8.self).lowercased() == email.lowercased()
        }
        if isAddress { return ValidationError(pointer, .notAllowed, "must not be the e-mail address") }
        if breached.contains(password) {
            return ValidationError(pointer, .notAllowed, "is on a list of breached passwords; take another")
        }
        return nil
    }
}

/// Passwords that are known to guessers: the first eight bytes of their SHA-1, sorted.
package struct BreachList: Sendable {
    /// More lines of a file are not read.
    package static let maximumEntries = 16_000_000

    private let entries: [UInt64]

    /// A line is a password, or its SHA-1 in 40 hexadecimal digits with or without `:count` behind it, as
    /// breach databases publish them. Empty lines do not count.
    package init(text: [UInt8]) {
        var entries: [UInt64] = []
        text.withUnsafeBytes { text in
            var start = 0
            while start < text.count, entries.count < Self.maximumEntries {
                let rest = UnsafeRawBufferPointer(rebasing: text[start...])
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
                var line = UnsafeRawBufferPointer(rebasing: rest[..<end])
                if line.last == UInt8(ascii: "\r") { line = .init(rebasing: line.dropLast()) }
                if !line.isEmpty { entries.append(Self.prefix(of: line)) }
                start += end + 1
            }
        }
        entries.sort()
        self.entries = entries
    }

    package var count: Int { entries.count }

    package func contains(_ password: Secret) -> Bool {
        let wanted = password.withBytes { Self.number(sha1($0)) }
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low] == wanted
    }

    private static func prefix(of line: UnsafeRawBufferPointer) -> UInt64 {
        let isDigest = line.count == 40 || line.count > 40 && line[40] == UInt8(ascii: ":")
        if isDigest, let bytes = Hexadecimal.decode(String(decoding: line[..<40], as: UTF8.self)) {
            return number(bytes)
        }
        return number(sha1(line))
    }

    private static func number(_ digest: [UInt8]) -> UInt64 {
        digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
