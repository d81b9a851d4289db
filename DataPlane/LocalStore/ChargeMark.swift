import Glibc

/// How far the outbox's grants had come, beside the outbox: a file that says less was rolled back.
///
/// Written after the commit it speaks of, so it is never ahead of a file that is whole. After a power cut it
/// may be; then spending may be lost, and the grants are not spent again either.
final class ChargeMark {
    static let name = "outbox.mark"
    private let path: String
    private var descriptor: Int32

    init(directory: DataDirectory) {
        path = directory.path(of: Self.name)
        descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether a file with this many changes of grants has all there ever were.
    func allows(file: Int64, charges: Int64) -> Bool {
        var words: [Int64] = [0, 0, 0]
        let count = words.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == 24, words[2] == Self.check(words[0], words[1]) else {
            // Without a mark only a file that never held a grant is believed.
            return charges == 0
        }
        return words[0] == file && words[1] <= charges
    }

    func write(file: Int64, charges: Int64) {
        let words = [file, charges, Self.check(file, charges)]
        let count = words.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        // Where it cannot be written it must not speak of the past: without one no grant is restored.
        if count != 24 { unlink(path) }
    }

    private static func check(_ file: Int64, _ charges: Int64) -> Int64 {
        [file, charges].withUnsafeBytes { rowCheck($0) }
    }
}
