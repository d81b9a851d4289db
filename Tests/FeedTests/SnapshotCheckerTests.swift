import Contract
import Cryptography
import Domain
import Glibc
import TestSupport
import Testing

@testable import Feed

@Suite("checking process")
struct SnapshotCheckerTests {
    private static func shell(_ script: String) -> SnapshotChecker {
        SnapshotChecker(command: ["/bin/sh", "-c", script])
    }

    @Test("a process that reads all and ends well lets the shards in; they arrive byte for byte")
    func good() throws {
        let folder = TemporaryDirectory()
        let checker = Self.shell("cat > \(folder.path)/got")
        let shards: [[UInt8]] = [[1, 2, 3], [UInt8](repeating: 7, count: 300_000)]
        #expect(checker.refusal(of: shards) == nil)
        let got = folder.content("got")
        #expect(got.prefix(7) == [0, 0, 0, 3, 1, 2, 3])
        #expect(got.count == 4 + 3 + 4 + 300_000)
    }

    @Test(
        "a trap, an error, an early end and a program that is not there are refusals",
        arguments: [
            ("kill -ILL $$", "signal 4"), ("exit 66", "cannot be read (66)"),
            ("exec 0<&-; exit 65", "(65)"), ("ulimit -t 1; while :; do :; done", "signal"),
        ])
    func bad(_ script: String, _ text: String) throws {
        let reason = try #require(Self.shell(script).refusal(of: [[UInt8](repeating: 0, count: 200_000)]))
        #expect(reason.contains(text), "\(reason)")
    }

    @Test("a program that is not there is a refusal too")
    func missing() throws {
        let reason = SnapshotChecker(command: ["/nowhere/eclusa-gateway"]).refusal(of: [[1]])
        #expect(reason?.contains("does not start") == true)
    }

    @Test("an assembly without new shards starts no process")
    func unchanged() throws {
        let (fixture, _) = SnapshotFixture.small()
        let built = try fixture.built()
        let whole = try fixture.assembly(of: built)
        let checker = SnapshotChecker(command: ["/nowhere"])
        #expect(checker.refusal(of: whole) != nil)
        let same = try fixture.assembly(of: built, previous: built.addresses)
        #expect(checker.refusal(of: same) == nil)
    }

    /// Runs the checking process's own code over what it would read.
    private func check(_ bytes: [UInt8]) throws -> Int32 {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        try #require(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        defer { close(ends[0]) }
        return SnapshotCheck.run(readingFrom: ends[0])
    }

    @Test("the checking process takes shards, and refuses what is none")
    func process() throws {
        let (fixture, _) = SnapshotFixture.small()
        func framed(_ bytes: [UInt8]) -> [UInt8] {
            withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) } + bytes
        }
        let shards = try fixture.built().shards.filter { !$0.isEmpty }.map { try $0.object().bytes }
        #expect(try check([]) == 0)
        #expect(try check(shards.flatMap(framed)) == 0)
        #expect(try check(framed([1, 2, 3])) == 66)
        #expect(try check(framed(Array(shards[0].dropLast()))) == 66)
        #expect(try check(Array(framed(shards[0]).dropLast())) == 65, "cut")
        #expect(try check([0xFF, 0xFF, 0xFF, 0xFF]) == 65, "longer than any shard")
        #expect(try check([0, 0]) == 65)
    }
}
