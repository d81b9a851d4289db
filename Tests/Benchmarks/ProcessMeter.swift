import Glibc

/// What a process has used, read from /proc: the figures that do not depend on who else is on the machine.
struct ProcessMeter {
    let pid: pid_t

    /// CPU time of all threads since the start, in nanoseconds (user and system).
    func cpuNanoseconds() -> Int64 {
        var total: Int64 = 0
        for thread in Self.entries(of: "/proc/\(pid)/task") {
            guard let text = Self.read("/proc/\(pid)/task/\(thread)/schedstat") else { continue }
            total += text.split(separator: " ").first.flatMap { Int64($0) } ?? 0
        }
        return total
    }

    /// Resident memory in bytes.
    func residentBytes() -> Int {
        let fields = (Self.read("/proc/\(pid)/statm") ?? "").split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) : 0
    }

    /// Open descriptors.
    func descriptorCount() -> Int { Self.entries(of: "/proc/\(pid)/fd").count }

    /// Whether it has ended and its sockets are closed, even when nobody has taken note of its end.
    ///
    /// Its first thread may be a zombie while others still end, and those hold what the process had open.
    var isOver: Bool {
        (Self.read("/proc/\(pid)/stat") ?? ") Z").contains(") Z")
            && Self.entries(of: "/proc/\(pid)/task").count <= 1
    }

    /// Puts every thread of the process on one core.
    func pin(toCore core: Int) throws {
        let code = try Child.run(["taskset", "-a", "-p", "-c", "\(core)", "\(pid)"], log: "/dev/null")
        guard code == 0 else { throw BenchFailure(text: "cannot pin process \(pid) to core \(core)") }
    }

    /// The process and those it has started.
    var family: [ProcessMeter] { [self] + Self.children(of: pid).map { ProcessMeter(pid: $0.pid) } }

    /// The children of a process, by program name (its first 15 characters, as the kernel keeps them).
    static func children(of parent: pid_t) -> [(name: String, pid: pid_t)] {
        var found: [(name: String, pid: pid_t)] = []
        for entry in entries(of: "/proc") {
            guard let pid = pid_t(entry), let text = read("/proc/\(pid)/stat"),
                let close = text.lastIndex(of: ")"),
                let open = text.firstIndex(of: "(")
            else { continue }
            let fields = text[text.index(after: close)...].split(separator: " ")
            guard fields.count > 1, pid_t(fields[1]) == parent else { continue }
            found.append((String(text[text.index(after: open)..<close]), pid))
        }
        return found
    }

    static func entries(of folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
