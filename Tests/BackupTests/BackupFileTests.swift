import Cryptography
import Domain
import TestSupport
import Testing

@testable import Backup

@Suite("backup files")
struct BackupFileTests {
    let folder = TemporaryDirectory()
    let key = BackupKey.key(SymmetricKey())
    static let dump = Array("the dump, in several messages".utf8)

    /// A small backup; answers its bytes.
    @discardableResult
    func write(_ name: String = "b", key: BackupKey? = nil, parts: Int = 3) throws -> [UInt8] {
        let (hint, sealing) = try (key ?? self.key).prepare()
        let header = BackupHeader(
            createdAt: .epoch, program: "0.0.0", migration: "0060_create_backups", key: hint)
        let writer = try BackupWriter(
            path: "\(folder.path)/\(name)", header: header, key: sealing,
            contents: BackupContents(masterKey: Secret(utf8: "master-canary"), roles: ["eclusa_app"]))
        for _ in 0..<parts { try Self.dump.withUnsafeBytes { try writer.write($0) } }
        _ = try writer.finish()
        return folder.content(name)
    }

    func read(_ name: String = "b", _ key: BackupKey? = nil) throws -> (BackupReader, [UInt8]) {
        let reader = try BackupReader(path: "\(folder.path)/\(name)", key: key ?? self.key)
        var bytes: [UInt8] = []
        while let part = try reader.next() { bytes += part }
        return (reader, bytes)
    }

    @Test("what was written is read, and nothing of it stands in the file")
    func roundTrip() throws {
        let file = try write()
        let (reader, bytes) = try read()
        #expect(bytes == Self.dump + Self.dump + Self.dump)
        #expect(reader.contents.masterKey == Secret(utf8: "master-canary"))
        #expect(reader.contents.roles == ["eclusa_app"])
        #expect(reader.header.migration == "0060_create_backups" && reader.header.createdAt == .epoch)
        let text = String(decoding: file, as: UTF8.self)
        #expect(!text.contains("master-canary") && !text.contains("the dump"))
        #expect(folder.mode("b") == 0o600 && folder.names == ["b"])
        #expect(try BackupReader.peek(path: folder.path + "/b").program == "0.0.0")
    }

    @Test("a file with any one bit changed is never read as whole")
    func flipped() throws {
        let file = try write()
        for index in file.indices {
            var damaged = file
            damaged[index] ^= 1
            folder.replace("d", damaged)
            #expect(throws: BackupFailure.self, "byte \(index)") { try read("d") }
        }
    }

    @Test("a file cut at any length is never read as whole, nor one with something after its end")
    func cut() throws {
        let file = try write()
        for count in 0..<file.count {
            folder.replace("d", Array(file.prefix(count)))
            #expect(throws: BackupFailure.self, "\(count) bytes") { try read("d") }
        }
        folder.replace("d", Array(file.prefix(file.count - 40)))
        #expect(throws: BackupFailure.truncated(at: Int64(file.count - 40))) { try read("d") }
        folder.replace("d", file + [0])
        #expect(throws: BackupFailure.self) { try read("d") }
    }

    @Test("messages that were swapped or left out are noticed")
    func reordered() throws {
        let file = try write()
        let sealed = Self.dump.count + SecretStreamSealer.overheadBytes + 4
        let trailer = 4 + 32
        // From the end: trailer message, then three equal-sized dump messages.
        let last = try write("short", parts: 0)
        let front = last.count - trailer - (file.count - last.count - 3 * sealed)
        let start = file.count - (last.count - front) - 3 * sealed
        #expect(start > 0)
        let without = Array(file[..<start]) + Array(file[(start + sealed)...])
        folder.replace("d", without)
        #expect(throws: BackupFailure.self) { try read("d") }
    }

    @Test("a wrong key is told from damage, and a passphrase from a key")
    func keys() throws {
        try write()
        #expect(throws: BackupFailure.wrongKey) { try read("b", .key(SymmetricKey())) }
        #expect(throws: BackupFailure.needsKey) { try read("b", .passphrase(Secret(utf8: "x"))) }
        let phrase = BackupKey.passphrase(Secret(utf8: "correct horse battery staple"))
        try write("p", key: phrase)
        #expect(try read("p", phrase).1.count == 3 * Self.dump.count)
        #expect(throws: BackupFailure.wrongKey) { try read("p", .passphrase(Secret(utf8: "wrong"))) }
        #expect(throws: BackupFailure.needsPassphrase) { try read("p") }
    }

    @Test("other files and later formats are named for what they are")
    func foreign() throws {
        for bytes in [[], Array("hello".utf8), [UInt8](repeating: 0, count: 5000)] as [[UInt8]] {
            folder.replace("x", bytes)
            #expect(throws: BackupFailure.notABackup) { try read("x") }
        }
        let file = String(decoding: try write(), as: UTF8.self)
        #expect(file.contains(#""format":1"#))
        var later = folder.content("b")
        let place = try #require(later.firstRange(of: Array(#""format":1"#.utf8)))
        later[place.upperBound - 1] = UInt8(ascii: "2")
        folder.replace("x", later)
        #expect(throws: BackupFailure.newerFormat(2)) { try read("x") }
        #expect(throws: BackupFailure.self) { try read("missing") }
    }

    @Test("a file that is there is not written over, and one that was not ended is gone")
    func names() throws {
        try write()
        #expect(throws: BackupFailure.self) { try write() }
        let (hint, sealing) = try key.prepare()
        _ = try BackupWriter(
            path: folder.path + "/unfinished",
            header: BackupHeader(createdAt: .epoch, program: "", migration: "", key: hint), key: sealing,
            contents: BackupContents(masterKey: nil, roles: []))
        #expect(folder.names == ["b"])
    }

    @Test(
        "a key is 32 random bytes in base64 or hexadecimal",
        arguments: [
            (Base64.encode(randomBytes(32)), true), (Hexadecimal.encode(randomBytes(32)) + "\n", true),
            ("", false), ("short", false), (Base64.encode([UInt8](repeating: 7, count: 32)), false),
            (Base64.encode(randomBytes(31)), false),
        ])
    func keyTexts(_ text: String, _ isKey: Bool) {
        let key = try? BackupKey(text: Secret(utf8: text))
        #expect((key != nil) == isKey)
    }

    @Test("names tell when a backup was made, and retention keeps days, weeks and always the newest")
    func retention() throws {
        let now = try #require(Timestamp("2026-03-11T12:00:00Z"))
        #expect(BackupFolder.name(at: now) == "eclusa-20260311T120000Z.backup")
        #expect(BackupFolder.time(of: "eclusa-20260311T120000Z.backup") == now)
        for name in ["eclusa-20260311T120000Z.backup.partial", "other", "eclusa-20261311T120000Z.backup"] {
            #expect(BackupFolder.time(of: name) == nil, "\(name)")
        }
        // Every twelve hours for 40 days.
        let entries = (0..<80).map { index -> BackupFolder.Entry in
            let time = now.advanced(bySeconds: -Int64(index) * 43_200)
            return BackupFolder.Entry(name: "\(index)", createdAt: time, bytes: 1)
        }
        func kept(_ days: Int, _ weeks: Int) -> [String] {
            let expired = Set(BackupRetention(days: days, weeks: weeks).expired(entries))
            return entries.filter { !expired.contains($0) }.map(\.name)
        }
        // 12:00 is the newest of each day; before it came 00:00 of the same day.
        #expect(kept(3, 0) == ["0", "2", "4"])
        // Weeks begin on Mondays: 11 March is a Wednesday, the Sunday before is five half-days back.
        #expect(kept(1, 3) == ["0", "6", "20"])
        #expect(kept(3, 2) == ["0", "2", "4", "6"])
        #expect(BackupRetention(days: 1, weeks: 0).expired([]).isEmpty)
    }
}
