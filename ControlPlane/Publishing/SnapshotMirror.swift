import Contract
import Cryptography
import Glibc

/// A static copy of what nodes are told, in a folder that any web server or bucket can serve: `manifest` (a
/// frame with the key sets) and `objects/<sha256>`. Written so that whoever reads meanwhile sees the old or
/// the new, whole. Blocks: on a worker.
package struct SnapshotMirror: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private let folder: String

    package init(folder: String) { self.folder = folder }

    /// Brings the copy up to a statement. Objects nobody names any more go a version later, so that a reader
    /// of the manifest before finds them.
    func write(
        frame: [UInt8], objects: [SHA256Digest: SnapshotObject], keeping previous: Set<SHA256Digest>
    ) throws(Failure) {
        mkdir(folder, 0o755)
        mkdir("\(folder)/objects", 0o755)
        for (address, object) in objects {
            let path = "\(folder)/objects/\(address.hexadecimal)"
            if access(path, F_OK) == 0 { continue }
            try write(object.bytes, to: path)
        }
        try write(frame, to: "\(folder)/manifest")
        guard let listing = opendir("\(folder)/objects") else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let address = SHA256Digest(hexadecimal: name) else { continue }
            if objects[address] == nil, !previous.contains(address) { unlink("\(folder)/objects/\(name)") }
        }
    }

    private func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let fresh = "\(path).new"
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("create", fresh) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                close(descriptor)
                throw failure("write", fresh)
            }
            written += count
        }
        close(descriptor)
        guard rename(fresh, path) == 0 else { throw failure("rename", fresh) }
    }

    private func failure(_ what: String, _ path: String) -> Failure {
        Failure(description: "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }
}
