import Glibc

/// The node's private folder (mode 0700) and the plain files in it (mode 0600).
package struct DataDirectory: Sendable {
    package let path: String

    /// Creates the folder if it is missing and takes away any access of others.
    package init(path: String) throws(DataDirectoryError) {
        self.path = path
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            made += made.isEmpty && !path.hasPrefix("/") ? String(part) : "/" + part
            if made.hasPrefix("//") { made.removeFirst() }
            if part.isEmpty || part == "." { continue }
            if mkdir(made, 0o700) != 0 && errno != EEXIST { throw DataDirectoryError("create", made) }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw DataDirectoryError("read", path) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw DataDirectoryError("use", path, reason: "it is not a directory")
        }
        if status.st_mode & 0o077 != 0, chmod(path, 0o700) != 0 {
            throw DataDirectoryError("restrict the mode of", path)
        }
    }

    package func path(of name: String) -> String { path + "/" + name }

    package func exists(_ name: String) -> Bool { access(path(of: name), F_OK) == 0 }

    /// Bytes; 0 when there is no such file.
    func size(of name: String) -> Int {
        var status = stat()
        return stat(path(of: name), &status) == 0 ? Int(status.st_size) : 0
    }

    /// The file's content, or nil when there is no such file.
    ///
    /// - Parameter limit: bytes; a larger file is refused.
    package func read(_ name: String, limit: Int = 1 << 20) throws(DataDirectoryError) -> [UInt8]? {
        let file = path(of: name)
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw DataDirectoryError("open", file)
        }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw DataDirectoryError("read", file)
            }
            if count == 0 { return content }
            guard content.count + count <= limit else {
                throw DataDirectoryError("read", file, reason: "it is larger than \(limit) bytes")
            }
            content += block[..<count]
        }
    }

    /// Replaces the file as one step that survives a power cut: new file, sync, rename, sync of the folder.
    package func write(_ name: String, _ content: [UInt8]) throws(DataDirectoryError) {
        let file = path(of: name), fresh = file + ".new"
        let descriptor = open(fresh, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DataDirectoryError("create", fresh) }
        var written = 0
        while written < content.count {
            let count = content.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, content.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let failed = DataDirectoryError("write", fresh)
                close(descriptor)
                unlink(fresh)
                throw failed
            }
            written += count
        }
        let synced = fsync(descriptor) == 0
        guard close(descriptor) == 0, synced else { throw DataDirectoryError("sync", fresh) }
        guard rename(fresh, file) == 0 else { throw DataDirectoryError("rename", fresh) }
        syncFolder()
    }

    package func remove(_ name: String) {
        unlink(path(of: name))
    }

    /// Renames a database file and its journals out of the way, keeping every byte; returns the new name.
    package func moveAside(_ name: String, reason: String) throws(DataDirectoryError) -> String {
        var number = 1
        while exists("\(name).\(reason)-\(number)") { number += 1 }
        let target = "\(name).\(reason)-\(number)"
        for suffix in ["", "-wal", "-shm", "-journal"] where exists(name + suffix) {
            guard rename(path(of: name + suffix), path(of: target + suffix)) == 0 else {
                throw DataDirectoryError("rename", path(of: name + suffix))
            }
        }
        syncFolder()
        return target
    }

    private func syncFolder() {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

/// What could not be done with a file of the node, with the system's reason.
package struct DataDirectoryError: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ verb: String, _ path: String) {
        self.init(verb, path, reason: String(cString: strerror(errno)))
    }

    init(_ verb: String, _ path: String, reason: String) {
        description = "could not \(verb) \(path): \(reason)"
    }
}
