/// Why a backup was not made, not read or not restored, in words for the operator. Carries nothing secret.
package enum BackupFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The text is no backup key.
    case malformedKey
    case notABackup
    /// Made by a later release, in a form this one does not know.
    case newerFormat(Int)
    case needsPassphrase
    case needsKey
    case wrongKey
    case truncated(at: Int64)
    case damaged(at: Int64)
    /// The backup's schema has a migration this program does not have.
    case newerSchema(String)
    case notEmpty
    /// Other programs are connected to the database.
    case inUse(Int64)
    case io(String)
    /// One of Postgres' programs failed: its name and its last words.
    case program(String, String)
    case noProgram(String)

    package var description: String {
        switch self {
        case .malformedKey:
            "the backup key is not 32 bytes in base64 (44 characters) or hexadecimal (64 characters); "
                + "generate one with `openssl rand -base64 32`"
        case .notABackup: "this is not a backup of Eclusa"
        case .newerFormat(let format):
            "the backup has format \(format), which a later release made; use that release's eclusa"
        case .needsPassphrase: "the backup was made with a passphrase; give it with --passphrase-file"
        case .needsKey: "the backup was made with a key; give it with --key-file"
        case .wrongKey: "the key is not the one the backup was made with"
        case .truncated(let offset): "the backup ends early, after \(offset) bytes: it is not whole"
        case .damaged(let offset): "the backup is damaged near byte \(offset)"
        case .newerSchema(let migration):
            "the backup's database has \(migration), which a later release made; use that release's eclusa"
        case .notEmpty:
            "the database is not empty; restore into an empty one, or replace what is there with --replace"
        case .inUse(let count):
            "\(count) other connections use the database; stop every control plane first"
        case .io(let text): text
        case .program(let name, let words): "\(name) failed: \(words)"
        case .noProgram(let name):
            "there is no \(name); install PostgreSQL's client programs (15 or later)"
        }
    }
}
