import Glibc

/// The folder `eclusa up` keeps its data in: private to its owner, made when missing.
struct StateDirectory {
    let path: String

    /// `path` made absolute and created with mode 0700.
    init(_ path: String) throws(CommandFailure) {
        self.path = Self.absolute(path)
        try Self.makeFolder(self.path, mode: 0o700)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func folder(_ name: String) throws(CommandFailure) -> String {
        try Self.makeFolder(file(name), mode: 0o700)
        return file(name)
    }

    func text(of name: String) -> String? {
        guard let bytes = try? Self.read(file(name), maximumBytes: 1 << 20) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// Writes a private file whole or not at all: a new file beside it, flushed, then renamed over it.
    func write(_ text: String, to name: String) throws(CommandFailure) {
        try Self.write(Array(text.utf8), to: file(name))
    }

    func exists(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let cwd = getcwd(nil, 0) else { return path }
        defer { free(cwd) }
        return String(cString: cwd) + "/" + path
    }

    static func makeFolder(_ path: String, mode: mode_t) throws(CommandFailure) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/" + part
            if mkdir(built, mode) != 0, errno != EEXIST, access(built, F_OK) != 0 {
                throw .cannotCreate("cannot make the folder \(built): \(String(cString: strerror(errno)))")
            }
        }
    }

    static func write(_ bytes: [UInt8], to path: String) throws(CommandFailure) {
        let new = path + ".new"
        let fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            throw .cannotCreate("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes {
                Glibc.write(fd, $0.baseAddress! + offset, bytes.count - offset)
            }
            if written < 0, errno == EINTR { continue }
            if written <= 0 { break }
            offset += written
        }
        let whole = offset == bytes.count && fsync(fd) == 0
        close(fd)
        guard whole, rename(new, path) == 0 else {
            throw .cannotCreate("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    static func read(_ path: String, maximumBytes: Int) throws(CommandFailure) -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw .cannotCreate("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < maximumBytes {
            let count = Glibc.read(fd, &block, block.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            bytes += block[..<count]
        }
        return bytes
    }

    /// Deletes a folder and what is in it, links as links; a missing one is fine.
    static func delete(_ path: String) throws(CommandFailure) {
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in names(in: path) { try delete("\(path)/\(name)") }
        }
        guard remove(path) == 0 || errno == ENOENT else {
            throw .cannotCreate("cannot delete \(path): \(String(cString: strerror(errno)))")
        }
    }

    static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
