import CMigrations
package import Cryptography

/// One numbered change of the schema, embedded in the program.
package struct Migration: Sendable {
    package let number: Int64
    /// `0012_create_keys`.
    package let name: String
    package let text: String
    package let sha256: SHA256Digest

    package init?(name: String, text: String) {
        guard let number = Int64(name.prefix { $0 != "_" }), number > 0 else { return nil }
        self.number = number
        self.name = name
        self.text = text
        sha256 = Cryptography.sha256(text)
    }

    /// Every migration this program has, in the order of their numbers.
    package static let all: [Migration] = (0..<migration_count).compactMap { index in
        let entry = migrations[index]
        let bytes = UnsafeRawBufferPointer(start: entry.text, count: entry.length)
        return Migration(name: String(cString: entry.name), text: String(decoding: bytes, as: UTF8.self))
    }
}
