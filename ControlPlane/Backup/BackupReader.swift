import Cryptography
import Domain
import Glibc
import JSONText

/// Reads a backup file front to back, in constant memory, and believes nothing that is not authentic.
/// Blocking: one thread, not a loop's.
package final class BackupReader {
    package let header: BackupHeader
    package private(set) var contents = BackupContents(masterKey: nil, roles: [])
    private let path: String
    private let descriptor: Int32
    private let binding: [UInt8]
    private var opener: SecretStreamOpener
    private var whole = SHA256Hasher()
    private var dump = SHA256Hasher()
    private var dumpBytes: Int64 = 0
    package private(set) var readBytes: Int64 = 0

    /// Opens the file and checks the key.
    package init(path: String, key: BackupKey) throws(BackupFailure) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(systemError())") }
        var source = BackupSource(path: path, descriptor: descriptor)
        let (front, header) = try source.header()
        self.header = header
        let opening = try key.open(header.key)
        let streamHeader = try source.take(SecretStreamSealer.headerBytes)
        do throws(CryptographyError) {
            opener = try SecretStreamOpener(opening, header: streamHeader)
        } catch {
            throw .damaged(at: source.readBytes)
        }
        binding = sha256(front + streamHeader).bytes
        whole.update(front + streamHeader)
        readBytes = source.readBytes
        guard let first = try message() else { throw .damaged(at: readBytes) }
        contents = try BackupContents(bytes: first)
    }

    deinit { close(descriptor) }

    /// What the front of a file says, without its key. Nothing of it is proven.
    package static func peek(path: String) throws(BackupFailure) -> BackupHeader {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(systemError())") }
        defer { close(descriptor) }
        var source = BackupSource(path: path, descriptor: descriptor)
        return try source.header().header
    }

    /// The next bytes of the dump; nil at its end, when all of it was checked.
    package func next() throws(BackupFailure) -> [UInt8]? {
        guard let part = try message() else { throw .truncated(at: readBytes) }
        guard opener.isComplete else {
            dump.update(part)
            dumpBytes += Int64(part.count)
            return part
        }
        let trailer = try? JSONValue.parse(part)
        guard trailer?["bytes"]?.exactInt64 == dumpBytes,
            trailer?["sha256"]?.string == dump.finish().hexadecimal
        else { throw .damaged(at: readBytes) }
        try end()
        return nil
    }

    /// The file's end: its checksum, and nothing after it.
    private func end() throws(BackupFailure) {
        var source = BackupSource(path: path, descriptor: descriptor, readBytes: readBytes)
        let mark = try source.take(4)
        whole.update(mark)
        let digest = try source.take(SHA256Digest.byteCount)
        guard mark == [0, 0, 0, 0], digest == whole.finish().bytes, try source.isAtEnd() else {
            throw .damaged(at: readBytes)
        }
        readBytes = source.readBytes
    }

    private func message() throws(BackupFailure) -> [UInt8]? {
        var source = BackupSource(path: path, descriptor: descriptor, readBytes: readBytes)
        let prefix = try source.take(4)
        let count = prefix.reduce(0) { $0 << 8 | Int($1) }
        let limits = SecretStreamSealer.overheadBytes...(1 << 20)
        guard limits.contains(count) else { throw .damaged(at: readBytes) }
        let sealed = try source.take(count)
        do throws(CryptographyError) {
            let opened = try opener.open(sealed, associatedData: binding)
            whole.update(prefix)
            whole.update(sealed)
            readBytes = source.readBytes
            return opened
        } catch {
            throw .damaged(at: readBytes)
        }
    }
}

/// The bytes of a file, counted; a file that ends early says so.
private struct BackupSource {
    let path: String
    let descriptor: Int32
    var readBytes: Int64 = 0

    mutating func header() throws(BackupFailure) -> (front: [UInt8], header: BackupHeader) {
        let start: [UInt8]
        do throws(BackupFailure) { start = try take(BackupHeader.magic.count) } catch {
            if case .truncated = error { throw .notABackup }
            throw error
        }
        guard start == BackupHeader.magic else { throw .notABackup }
        let prefix = try take(4)
        let count = prefix.reduce(0) { $0 << 8 | Int($1) }
        guard (2...BackupHeader.maximumBytes).contains(count) else { throw .damaged(at: readBytes) }
        let text = try take(count)
        guard let json = try? JSONValue.parse(text) else { throw .damaged(at: readBytes) }
        return (start + prefix + text, try BackupHeader(json: json))
    }

    mutating func take(_ count: Int) throws(BackupFailure) -> [UInt8] {
        var offset = 0
        var failure: BackupFailure?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(count, 1)) { buffer, initialized in
            while offset < count {
                let got = Glibc.read(
                    descriptor, buffer.baseAddress.unsafelyUnwrapped + offset, count - offset)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = .io("cannot read \(path): \(systemError())") }
                if got <= 0 { break }
                offset += got
            }
            initialized = offset
        }
        readBytes += Int64(offset)
        if let failure { throw failure }
        guard offset == count else { throw .truncated(at: readBytes) }
        return bytes
    }

    mutating func isAtEnd() throws(BackupFailure) -> Bool {
        var byte: UInt8 = 0
        return Glibc.read(descriptor, &byte, 1) == 0
    }
}
