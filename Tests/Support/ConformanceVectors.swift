import Glibc

/// The public conformance files beside the repository, or in the folder `ECLUSA_VECTORS` names. Not part of
/// it.
package enum ConformanceVectors {
    package static let folder: String? = {
        if let chosen = getenv("ECLUSA_VECTORS") { return String(cString: chosen) }
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let beside = "/" + root + "/../shared/vectors"
        return access(beside, R_OK) == 0 ? beside : nil
    }()

    /// The files of one folder, sorted by name; empty, and said aloud, when there are no vectors here.
    package static func files(in subfolder: String) -> [(name: String, bytes: [UInt8])] {
        guard let folder, let directory = opendir(folder + "/" + subfolder) else {
            announce("SKIPPED: no conformance vectors for \(subfolder); set ECLUSA_VECTORS to their folder\n")
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".json") { names.append(name) }
        }
        return names.sorted().map { ($0, read(folder + "/" + subfolder + "/" + $0)) }
    }

    /// One file, or nil, said aloud, when there are no vectors here.
    package static func file(_ name: String) -> [UInt8]? {
        guard let folder, access(folder + "/" + name, R_OK) == 0 else {
            announce("SKIPPED: no conformance vectors \(name); set ECLUSA_VECTORS to their folder\n")
            return nil
        }
        return read(folder + "/" + name)
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rb") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&block, 1, block.count, file)
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    private static func announce(_ text: String) {
        _ = text.withCString { write(2, $0, strlen($0)) }
    }
}
