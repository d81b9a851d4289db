import Cryptography
import Glibc

/// Where a static copy of the published snapshots lies: a folder, or a web server such as a bucket. Nothing
/// in it is trusted: it proves itself like what the control plane sends.
package enum SnapshotMirrorSource: Sendable, Equatable {
    case folder(String)
    case web(String)

    package static let manifestName = "manifest"

    /// A folder's path, or an http or https URL.
    package init?(_ text: String) {
        if text.hasPrefix("https://") || text.hasPrefix("http://") {
            self = .web(text.hasSuffix("/") ? String(text.dropLast()) : text)
        } else if !text.isEmpty {
            self = .folder(text)
        } else {
            return nil
        }
    }

    func path(of address: SHA256Digest) -> String { "objects/\(address.hexadecimal)" }

    /// A file of at most `limit` bytes; nil: there is none, or it is larger. Blocks.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count == 0 { return content }
            if count < 0 && errno == EINTR { continue }
            guard count > 0, content.count + count <= limit else { return nil }
            content += block[..<count]
        }
    }
}
