import Glibc
import LocalStore
import TestSupport
import Testing

@Suite("journal of the outbox")
struct OutboxJournalTests {
    private static let event = [UInt8](repeating: 7, count: 48_000)

    @Test("it is emptied into the file each sixteen megabytes, nothing is lost, and no descriptor stays open")
    func emptied() async throws {
        let folder = try TemporaryDirectory().directory
        let before = try descriptors(in: folder)
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        let outbox = try Outbox.opened(folder, options: options, alarm: { _ in })
        let longest = try await withLoop { loop in
            let port = outbox.port(for: loop)
            var longest = 0
            for _ in 0..<800 {
                #expect(await port.append(Self.event))
                longest = max(longest, size(of: "outbox.db-wal", in: folder))
            }
            return longest
        }
        #expect((16_000_000..<18_000_000).contains(longest), "\(longest) bytes")
        #expect(size(of: "outbox.db", in: folder) > 16_000_000)
        outbox.close()
        #expect(try descriptors(in: folder) == before)

        let again = try Outbox.opened(folder, options: options, alarm: { _ in })
        #expect(again.status.depth == 800)
        again.close()
    }

    private func size(of name: String, in folder: DataDirectory) -> Int {
        var status = stat()
        return stat(folder.path(of: name), &status) == 0 ? Int(status.st_size) : 0
    }

    /// How many descriptors of this process are files of the folder.
    private func descriptors(in folder: DataDirectory) throws -> Int {
        let own = try #require(opendir("/proc/self/fd"))
        defer { closedir(own) }
        var count = 0
        while let entry = readdir(own) {
            let number = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let target = realpath("/proc/self/fd/\(number)", nil) else { continue }
            defer { free(target) }
            if String(cString: target).hasPrefix(folder.path) { count += 1 }
        }
        return count
    }
}
