package import Domain
import Glibc

/// The folder scheduled backups are kept in, and which of them stay.
package struct BackupFolder: Sendable {
    package struct Entry: Hashable, Sendable {
        package let name: String
        package let createdAt: Timestamp
        package let bytes: Int64
    }

    package let path: String

    package init(path: String) { self.path = path }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// `eclusa-20260309T120000Z.backup`
    package static func name(at time: Timestamp) -> String {
        let digits = time.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        return "eclusa-\(digits)Z.backup"
    }

    static func time(of name: String) -> Timestamp? {
        guard name.hasPrefix("eclusa-"), name.hasSuffix("Z.backup"), name.utf8.count == 30 else { return nil }
        let digits = Array(name.dropFirst(7).prefix(15))
        let parts = [0..<4, 4..<6, 6..<8, 9..<11, 11..<13, 13..<15].map { String(digits[$0]) }
        return Timestamp("\(parts[0])-\(parts[1])-\(parts[2])T\(parts[3]):\(parts[4]):\(parts[5])Z")
    }

    /// The backups there, the newest first; `.io` when the folder cannot be read.
    package func list() throws(BackupFailure) -> [Entry] {
        guard let folder = opendir(path) else { throw .io("cannot read \(path): \(systemError())") }
        defer { closedir(folder) }
        var entries: [Entry] = []
        while let item = readdir(folder) {
            let name = withUnsafePointer(to: &item.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var info = stat()
            guard let time = Self.time(of: name), stat(file(name), &info) == 0 else { continue }
            entries.append(Entry(name: name, createdAt: time, bytes: Int64(info.st_size)))
        }
        return entries.sorted { $0.createdAt > $1.createdAt }
    }

    package func remove(_ name: String) throws(BackupFailure) {
        guard unlink(file(name)) == 0 || errno == ENOENT else {
            throw .io("cannot delete \(file(name)): \(systemError())")
        }
    }
}

/// Which backups stay: the newest of each of the last days that have one, and of each of the last weeks.
package struct BackupRetention: Sendable {
    package let days: Int
    package let weeks: Int

    package init(days: Int, weeks: Int) {
        self.days = days
        self.weeks = weeks
    }

    /// What may go. The newest of all always stays.
    package func expired(_ entries: [BackupFolder.Entry]) -> [BackupFolder.Entry] {
        let newestFirst = entries.sorted { $0.createdAt > $1.createdAt }
        var kept = Set(newestFirst.prefix(1))
        func keep(_ count: Int, _ period: (Timestamp) -> Int64) {
            var seen: Set<Int64> = []
            for entry in newestFirst where seen.count < count {
                if seen.insert(period(entry.createdAt)).inserted { kept.insert(entry) }
            }
        }
        let day: Int64 = 86_400_000_000
        keep(days) { $0.microseconds / day }
        // 1970-01-01 was a Thursday: weeks begin on Mondays.
        keep(weeks) { ($0.microseconds / day + 3) / 7 }
        return newestFirst.filter { !kept.contains($0) }
    }
}
