package import Cryptography
import Glibc
import PostgresDriver

/// Moves a database out of a server and into one, in constant memory. Blocking: one thread, not a loop's.
package enum DatabaseDump {
    /// Told the number of bytes so far, some times a second.
    package typealias Progress = @Sendable (Int64) -> Void

    package struct Written: Sendable {
        package let bytes: Int64
        package let sha256: SHA256Digest
    }

    /// Dumps the database at one moment into a new backup file.
    static func write(
        _ url: PostgresURL, to path: String, header: BackupHeader, key: SymmetricKey,
        contents: BackupContents, progress: Progress
    ) throws(BackupFailure) -> Written {
        let writer = try BackupWriter(path: path, header: header, key: key, contents: contents)
        let program = try PostgresProgram.start(
            "pg_dump", ["--format=custom", "--compress=6", "--no-password", "--lock-wait-timeout=60000"],
            environment: environment(url), .reading)
        do throws(BackupFailure) {
            try copy(from: program.pipe, into: writer, progress)
        } catch {
            program.abandon()
            throw error
        }
        // Before the file gets its name: half a dump is none.
        try program.finish()
        let digest = try writer.finish()
        return Written(bytes: writer.writtenBytes, sha256: digest)
    }

    private static func copy(
        from pipe: Int32, into writer: BackupWriter, _ progress: Progress
    ) throws(BackupFailure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: BackupWriter.messageBytes, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            // Filled up, so that messages have one size whatever pieces the pipe gives.
            var filled = 0
            while filled < buffer.count {
                let count = Glibc.read(
                    pipe, buffer.baseAddress.unsafelyUnwrapped + filled, buffer.count - filled)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw .io("cannot read from pg_dump: \(systemError())") }
                if count == 0 { break }
                filled += count
            }
            if filled == 0 { return }
            try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
            progress(writer.writtenBytes)
            if filled < buffer.count { return }
        }
    }

    /// Reads a backup to its end without keeping any of it; throws unless every byte is as it was written.
    static func check(
        _ path: String, _ key: BackupKey, progress: Progress
    ) throws(BackupFailure) -> BackupReader {
        let reader = try BackupReader(path: path, key: key)
        while try reader.next() != nil { progress(reader.readBytes) }
        return reader
    }

    /// Fills an empty database, in one transaction.
    static func read(
        _ path: String, _ key: BackupKey, into url: PostgresURL, progress: Progress
    ) throws(BackupFailure) {
        let reader = try BackupReader(path: path, key: key)
        let program = try PostgresProgram.start(
            "pg_restore",
            [
                "--dbname=\(url.database ?? "")", "--no-owner", "--exit-on-error", "--single-transaction",
                "--no-password",
            ], environment: environment(url), .writing)
        do throws(BackupFailure) {
            while let part = try reader.next() {
                // It says itself what is the matter when it reads no more.
                guard writeAll(part, to: program.pipe) else { break }
                progress(reader.readBytes)
            }
        } catch {
            program.abandon()
            throw error
        }
        try program.finish()
    }

    private static func environment(_ url: PostgresURL) -> [String: String] {
        url.programEnvironment.merging(["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]) { mine, _ in mine }
    }
}
