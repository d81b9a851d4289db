import Cryptography
import Glibc
import JSONText

/// Writes a backup file front to back, in constant memory. The file gets its name when it is whole and on the
/// disk. Blocking: one thread, not a loop's.
///
/// `magic · length · header · stream header · (length · sealed message)… · 0 · SHA-256 of all before`: the
/// first message is `BackupContents`, the last the size and SHA-256 of the dump between them.
final class BackupWriter {
    static let messageBytes = 64 * 1024

    private let path: String
    private var partial: String { path + ".partial" }
    private let descriptor: Int32
    private var sealer: SecretStreamSealer
    private let binding: [UInt8]
    private var whole = SHA256Hasher()
    private var dump = SHA256Hasher()
    private var dumpBytes: Int64 = 0
    private(set) var writtenBytes: Int64 = 0
    private var isFinished = false

    /// `.io` when the file is there already or cannot be made.
    init(
        path: String, header: BackupHeader, key: SymmetricKey, contents: BackupContents
    ) throws(BackupFailure) {
        self.path = path
        if access(path, F_OK) == 0 { throw .io("\(path) is there already; choose another name") }
        let partial = path + ".partial"
        unlink(partial)
        descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .io("cannot make \(partial): \(systemError())") }
        sealer = SecretStreamSealer(key)
        let json = header.json.bytes
        let front = BackupHeader.magic + length(json.count) + json + sealer.header
        binding = sha256(front).bytes
        try put(front)
        try seal(contents.bytes, isLast: false)
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(partial) }
    }

    /// The next bytes of the dump.
    func write(_ bytes: UnsafeRawBufferPointer) throws(BackupFailure) {
        dump.update(bytes)
        dumpBytes += Int64(bytes.count)
        try seal(bytes, isLast: false)
    }

    /// Ends the file and gives it its name.
    func finish() throws(BackupFailure) -> SHA256Digest {
        let trailer: JSONValue = [
            "bytes": .number(JSONNumber(dumpBytes)), "sha256": .string(dump.finish().hexadecimal),
        ]
        try seal(trailer.bytes, isLast: true)
        try put(length(0))
        let digest = whole.finish()
        try put(digest.bytes)
        guard fsync(descriptor) == 0, rename(partial, path) == 0 else {
            throw .io("cannot keep \(path): \(systemError())")
        }
        isFinished = true
        let folder = open(parentFolder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
        return digest
    }

    private func seal(_ bytes: [UInt8], isLast: Bool) throws(BackupFailure) {
        try bytes.span.withUnsafeBytes { bytes throws(BackupFailure) in try seal(bytes, isLast: isLast) }
    }

    private func seal(_ bytes: UnsafeRawBufferPointer, isLast: Bool) throws(BackupFailure) {
        let sealed = sealer.seal(bytes, associatedData: binding, isLast: isLast)
        try put(length(sealed.count))
        try put(sealed)
    }

    private func put(_ bytes: [UInt8]) throws(BackupFailure) {
        whole.update(bytes)
        guard writeAll(bytes, to: descriptor) else { throw .io("cannot write \(partial): \(systemError())") }
        writtenBytes += Int64(bytes.count)
    }
}

/// Four bytes, big-endian.
func length(_ count: Int) -> [UInt8] {
    let count = UInt32(count)
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
}

func systemError() -> String { String(cString: strerror(errno)) }

func parentFolder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// False when the descriptor takes no more; `errno` says why.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { bytes in
        var offset = 0
        while offset < bytes.count {
            let count = Glibc.write(
                descriptor, bytes.baseAddress.unsafelyUnwrapped + offset, bytes.count - offset)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            offset += count
        }
        return true
    }
}
