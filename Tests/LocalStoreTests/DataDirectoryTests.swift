import LocalStore
import TestSupport
import Testing

@Suite("data directory")
struct DataDirectoryTests {
    @Test("a missing folder is made, with its parents, for its owner alone")
    func creation() throws {
        let folder = TemporaryDirectory()
        let directory = try DataDirectory(path: folder.path + "/a/b")
        #expect(folder.mode("a/b") == 0o700)
        try directory.write("identity", [1, 2, 3])
        #expect(folder.mode("a/b/identity") == 0o600)
        #expect(try directory.read("identity") == [1, 2, 3])
        directory.remove("identity")
        #expect(try directory.read("identity") == nil)
        #expect(!directory.exists("identity"))
    }

    @Test("an open folder is closed to others")
    func tightening() throws {
        let folder = TemporaryDirectory()
        folder.setMode(0o755)
        _ = try folder.directory
        #expect(folder.mode() == 0o700)
    }

    @Test("a file in the folder's place is refused with its path")
    func notAFolder() throws {
        let folder = TemporaryDirectory()
        folder.replace("file", [1])
        let error = #expect(throws: DataDirectoryError.self) {
            try DataDirectory(path: folder.path + "/file")
        }
        #expect(error?.description.contains("/file") == true)
    }

    @Test("a file is replaced whole, and a larger one than expected is refused")
    func replacing() throws {
        let directory = try TemporaryDirectory().directory
        try directory.write("name", [UInt8](repeating: 7, count: 40_000))
        #expect(try directory.read("name")?.count == 40_000)
        try directory.write("name", [1])
        #expect(try directory.read("name") == [1])
        try directory.write("name", [UInt8](repeating: 7, count: 101))
        #expect(throws: DataDirectoryError.self) { try directory.read("name", limit: 100) }
    }

    @Test("moving aside keeps every byte and never overwrites an earlier one")
    func movingAside() throws {
        let folder = TemporaryDirectory()
        let directory = try folder.directory
        try directory.write("x.db", [1])
        try directory.write("x.db-wal", [2])
        #expect(try directory.moveAside("x.db", reason: "damaged") == "x.db.damaged-1")
        try directory.write("x.db", [3])
        #expect(try directory.moveAside("x.db", reason: "damaged") == "x.db.damaged-2")
        #expect(folder.names == ["x.db.damaged-1", "x.db.damaged-1-wal", "x.db.damaged-2"])
        #expect(folder.content("x.db.damaged-1-wal") == [2])
    }
}
