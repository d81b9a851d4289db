package import Cryptography
import Glibc

/// Reads a secret from where its setting says: the text itself, or `file:PATH`.
package enum SecretSource {
    /// Unit: bytes.
    static let maximumBytes = 65_536
    /// What people leave in examples. Compared without case.
    private static let placeholders = [
        "changeme", "change-me", "secret", "password", "default", "admin", "example",
    ]

    /// The secret a text is, or says where to find.
    package static func read(_ text: String, minimumBytes: Int) throws(SettingFault) -> Secret {
        let secret = text.hasPrefix("file:") ? try file(String(text.dropFirst(5))) : Secret(utf8: text)
        guard !secret.isEmpty else {
            throw SettingFault(what: "is empty", fix: "give a secret, never an empty one")
        }
        guard secret.count >= minimumBytes else {
            throw SettingFault(
                what: "is shorter than \(minimumBytes) bytes",
                fix: "generate one, as with `openssl rand -base64 32`")
        }
        for placeholder in placeholders where secret.withBytes({ isPlaceholder($0, placeholder) }) {
            throw SettingFault(
                what: "is a well-known value", fix: "generate one, as with `openssl rand -base64 32`")
        }
        return secret
    }

    /// The file's bytes without one line feed at the end, which editors and `echo` leave there.
    private static func file(_ path: String) throws(SettingFault) -> Secret {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            throw SettingFault(
                what: "names \(quoted(path)), which cannot be opened: \(String(cString: strerror(errno)))",
                fix: "give the path of a file that this user may read")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumBytes + 1)
        defer { erase(&bytes) }
        var count = 0
        while count < bytes.count {
            let received = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            if received < 0 && errno == EINTR { continue }
            guard received >= 0 else {
                throw SettingFault(
                    what: "names \(quoted(path)), which cannot be read: \(String(cString: strerror(errno)))",
                    fix: "give the path of a regular file")
            }
            if received == 0 { break }
            count += received
        }
        guard count <= maximumBytes else {
            throw SettingFault(
                what: "names a file of more than 64 KiB", fix: "give a file with the secret alone")
        }
        if count > 0, bytes[count - 1] == 0x0A { count -= 1 }
        if count > 0, bytes[count - 1] == 0x0D { count -= 1 }
        return bytes.withUnsafeBytes { Secret(copying: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    private static func isPlaceholder(_ bytes: UnsafeRawBufferPointer, _ placeholder: String) -> Bool {
        bytes.lazy.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }.elementsEqual(placeholder.utf8)
    }
}
