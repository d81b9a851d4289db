import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import Glibc
import LocalStore
import Policy
import Telemetry

/// A node that starts from its cache in a process of its own, so that its memory is its own too.
enum NodeBoot {
    struct Failed: Error {}

    /// Runs this program again, to boot from the directory.
    static func runApart(in path: String) throws {
        var child: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [
            strdup("/proc/self/exe"), strdup("--boot"), strdup(path), nil,
        ]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&child, "/proc/self/exe", nil, nil, &arguments, environ) == 0 else {
            throw Failed()
        }
        var status: Int32 = 0
        guard waitpid(child, &status, 0) == child, status == 0 else { throw Failed() }
    }

    static func run(in path: String) async throws {
        guard let loop = EventLoop.current else { throw Failed() }
        let started = monotonicNanoseconds()
        let directory = try DataDirectory(path: path)
        guard let identity = try NodeIdentity.load(from: directory) else { throw Failed() }
        let disk = BlockingPool(threads: 1, queueLimit: 16, name: "disk")
        let resolver = BlockingPool(threads: 1, queueLimit: 16, name: "names")
        let snapshots = LiveSnapshots()
        let feed = try NodeFeed(
            identity: identity, directory: directory, cache: try NodeCache(directory: directory),
            snapshots: snapshots, loop: loop, disk: disk, resolver: resolver,
            clock: WallClock { Timestamp(microseconds: wallClockMicroseconds()) }, log: .silent,
            metrics: MetricsRegistry(), options: NodeFeed.Options(softwareVersion: "bench"))
        await feed.boot()
        guard let snapshot = snapshots.current?.compiled else { throw Failed() }
        output("cold boot from the cache", milliseconds(since: started), "ms", goal: 1_500)
        output("keys that were booted: \(snapshot.keyCount)")
        output("resident, at the peak", try memory("VmHWM:", of: "self") / 1_024, "MiB", goal: 400)
        output("resident, afterwards", try memory("VmRSS:", of: "self") / 1_024, "MiB", goal: 400)
        output(
            "keys alone, bytes a key", Int64(snapshot.keyBytes / max(1, snapshot.keyCount)), "B", goal: 300)
        try look(up: 1_000_000, in: snapshot)
        await letGo(feed, snapshots)
        feed.stop()
        disk.shutdown()
        resolver.shutdown()
    }

    /// What a loop would be held up for if it were the last to hold a snapshot that shares nothing with the
    /// next one.
    private static func letGo(_ feed: NodeFeed, _ snapshots: LiveSnapshots) async {
        await feed.boot()
        // The first one may still be held by who has looked keys up in it.
        _ = snapshots.letGo()
        await feed.boot()
        let started = processorNanoseconds()
        let areHeld = snapshots.letGo()
        let spent = (processorNanoseconds() - started) / 1_000
        output("letting go of a whole snapshot, off the loops: \(spent) µs\(areHeld ? ", one is held" : "")")
    }

    /// What the calling thread has used: others do not disturb it.
    private static func processorNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Keys nobody has and keys of the snapshot's public ids: both walk the whole way to the secret.
    private static func look(up count: Int, in snapshot: CompiledSnapshot) throws {
        let texts = try (1...4_096).map { number -> [UInt8] in
            var generator = SystemRandomNumberGenerator()
            let text = KeyText(using: &generator).reveal()
            guard number > 0 else { throw Failed() }
            return Array(text.utf8)
        }
        let now = Timestamp(microseconds: wallClockMicroseconds())
        let started = monotonicNanoseconds()
        var refused = 0
        for number in 0..<count {
            texts[number & 4_095].withUnsafeBytes { bytes in
                do throws(Refusal) { _ = try authenticate(bytes, for: .chat, at: now, in: snapshot) } catch {
                    refused += 1
                }
            }
        }
        guard refused == count else { throw Failed() }
        output(
            "lookup, hash of the secret included", (monotonicNanoseconds() - started) / Int64(count), "ns",
            goal: 1_000)
    }
}
