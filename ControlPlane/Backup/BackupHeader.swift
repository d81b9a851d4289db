package import Cryptography
package import Domain
import JSONText

/// What stands readable in front of a backup. Authenticated with the rest: a changed header opens nothing.
package struct BackupHeader: Sendable {
    package enum KeyHint: Sendable {
        case key(check: [UInt8])
        case passphrase(salt: [UInt8], cost: PasswordHash.Cost, check: [UInt8])
    }

    package static let format = 1
    static let magic = Array("ECLUSA BACKUP 1\n".utf8)
    static let maximumBytes = 65_536

    package let createdAt: Timestamp
    /// The release that made it.
    package let program: String
    /// The newest migration of the database, such as `0021_create_idempotency_keys`.
    package let migration: String
    package let key: KeyHint

    package init(createdAt: Timestamp, program: String, migration: String, key: KeyHint) {
        self.createdAt = createdAt
        self.program = program
        self.migration = migration
        self.key = key
    }

    var json: JSONValue {
        let hint: JSONValue =
            switch key {
            case .key(let check): ["kind": "key", "check": .string(Hexadecimal.encode(check))]
            case .passphrase(let salt, let cost, let check):
                [
                    "kind": "passphrase", "salt": .string(Hexadecimal.encode(salt)),
                    "memory_kib": .number(JSONNumber(Int64(cost.memoryKiB))),
                    "passes": .number(JSONNumber(Int64(cost.passes))),
                    "check": .string(Hexadecimal.encode(check)),
                ]
            }
        return [
            "format": .number(JSONNumber(Int64(Self.format))), "created_at": .string(createdAt.description),
            "program": .string(program), "migration": .string(migration), "key": hint,
        ]
    }

    /// Nothing of it is trusted before the first message has opened.
    init(json: JSONValue) throws(BackupFailure) {
        guard let format = json["format"]?.exactInt64 else { throw .notABackup }
        guard format == Self.format else { throw .newerFormat(Int(clamping: format)) }
        guard let createdAt = json["created_at"]?.string.flatMap({ Timestamp($0) }),
            let program = json["program"]?.string, let migration = json["migration"]?.string,
            let hint = json["key"], let check = hint["check"]?.string.flatMap({ Hexadecimal.decode($0) })
        else { throw .notABackup }
        self.createdAt = createdAt
        self.program = program
        self.migration = migration
        if hint["kind"]?.string == "key" {
            key = .key(check: check)
        } else {
            // The bounds of `Cost` keep a hostile header from asking for all memory.
            guard let salt = hint["salt"]?.string.flatMap({ Hexadecimal.decode($0) }),
                let memory = hint["memory_kib"]?.exactInt64, let passes = hint["passes"]?.exactInt64,
                let cost = PasswordHash.Cost(memoryKiB: Int(memory), passes: Int(passes))
            else { throw .notABackup }
            key = .passphrase(salt: salt, cost: cost, check: check)
        }
    }
}

/// What stands sealed in front of the database's dump.
package struct BackupContents: Sendable {
    /// The key that opens the secrets in the dump; nil when it was left out.
    package let masterKey: Secret?
    /// Roles of the server that the dump names.
    package let roles: [String]

    package init(masterKey: Secret?, roles: [String]) {
        self.masterKey = masterKey
        self.roles = roles
    }

    var bytes: [UInt8] {
        let key = masterKey.map { secret in
            JSONValue.string(secret.withBytes { String(decoding: $0, as: UTF8.self) })
        }
        let json: JSONValue = ["master_key": key ?? .null, "roles": .array(roles.map { .string($0) })]
        return json.bytes
    }

    init(bytes: [UInt8]) throws(BackupFailure) {
        guard let json = try? JSONValue.parse(bytes), json.object != nil else { throw .notABackup }
        masterKey = json["master_key"]?.string.map { Secret(utf8: $0) }
        roles = json["roles"]?.array?.compactMap(\.string) ?? []
    }
}
