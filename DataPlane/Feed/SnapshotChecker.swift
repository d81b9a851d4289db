package import Contract
import Cryptography
import Glibc

/// Lets a process of its own read what is new in a snapshot before this one does: a trap while reading cannot
/// be caught, but it can happen elsewhere.
package struct SnapshotChecker: Sendable {
    /// The program and its arguments; it reads the shards from its standard input.
    package let command: [String]

    package init(command: [String]) { self.command = command }

    /// Why the shards may not be read here; nil when they were read there. Blocks for as long as that takes.
    package func refusal(of assembly: SnapshotAssembly) -> String? {
        let objects = assembly.changed.values.compactMap(\.object)
        return objects.isEmpty ? nil : refusal(of: objects.map(\.bytes))
    }

    func refusal(of shards: [[UInt8]]) -> String? {
        var ends: [Int32] = [0, 0]
        // A socket, not a pipe: writing to a process that has ended must not end this one by a signal.
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            return "no way to the checking process: \(reason())"
        }
        guard let child = spawn(readingFrom: ends[0]) else {
            close(ends[0])
            close(ends[1])
            return "the checking process does not start: \(reason())"
        }
        close(ends[0])
        for shard in shards {
            let size = UInt32(shard.count).bigEndian
            guard withUnsafeBytes(of: size, { send($0, to: ends[1]) }),
                shard.withUnsafeBytes({ send($0, to: ends[1]) })
            else { break }
        }
        close(ends[1])
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        if signal != 0 { return "the checking process was ended by signal \(signal)" }
        let code = (status >> 8) & 0xFF
        return code == 0 ? nil : "a shard cannot be read (\(code))"
    }

    private func spawn(readingFrom input: Int32) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let program = command.first ?? ""
        return posix_spawn(&child, program, &actions, nil, &words, environ) == 0 ? child : nil
    }

    /// False when the process does not read any more; its status says why.
    private func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = Glibc.send(
                descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private func reason() -> String { String(cString: strerror(errno)) }
}

/// What the checking process does: `eclusa-gateway check-snapshot`.
package enum SnapshotCheck {
    package static let word = "check-snapshot"
    private static let memoryBytes: rlim_t = 1 << 30
    private static let seconds: rlim_t = 20

    /// Bounds this process, so that a bomb ends it and nothing else.
    package static func limit() {
        var memory = rlimit(rlim_cur: memoryBytes, rlim_max: memoryBytes)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &memory)
        var time = rlimit(rlim_cur: seconds, rlim_max: seconds)
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &time)
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        alarm(UInt32(seconds) * 3)
    }

    /// Reads shards, each after its length, to the end; the exit code: 0 when all can be read.
    package static func run(readingFrom descriptor: Int32) -> Int32 {
        while let header = take(4, from: descriptor) {
            if header.isEmpty { return 0 }
            let size = header.reduce(0) { $0 << 8 | Int($1) }
            guard header.count == 4, size <= Shard.maximumObjectBytes,
                let bytes = take(size, from: descriptor), bytes.count == size
            else { return 65 }
            do throws(CodecError) { _ = try Shard(object: SnapshotObject(bytes: bytes)) } catch { return 66 }
        }
        return 74
    }

    /// So many bytes, fewer at the end; nil when reading fails.
    private static func take(_ count: Int, from descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress! + filled, count - filled)
            }
            if got < 0 && errno == EINTR { continue }
            if got < 0 { return nil }
            if got == 0 { return Array(bytes.prefix(filled)) }
            filled += got
        }
        return bytes
    }
}
