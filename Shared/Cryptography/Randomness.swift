import CSodium

/// libsodium picks its fastest implementations once; every wrapper that depends on that choice calls `start`
/// first.
enum Sodium {
    private static let ready: Bool = {
        // Without a source of randomness nothing here is safe, so this is the one place that may stop the
        // process.
        precondition(sodium_init() >= 0, "libsodium cannot start: the system has no source of randomness")
        return true
    }()

    static func start() { _ = ready }
}

/// `count` bytes nobody can predict. Unit: bytes. Any thread; one `getrandom` system call.
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        fillWithRandomBytes(UnsafeMutableRawBufferPointer(buffer))
        initialized = count
    }
}

/// Overwrites the whole buffer with bytes nobody can predict. Any thread; one `getrandom` system call per 256
/// bytes.
package func fillWithRandomBytes(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return }
    Sodium.start()
    randombytes_buf(base, buffer.count)
}

/// The standard library's shuffles and ranges, drawn from the system's randomness.
package struct SecureRandomNumberGenerator: RandomNumberGenerator, Sendable {
    package init() {}

    package mutating func next() -> UInt64 {
        var word: UInt64 = 0
        withUnsafeMutableBytes(of: &word) { fillWithRandomBytes($0) }
        return word
    }
}

/// Random words at a few nanoseconds each: one system call fills 4 KiB, and handed-out words are erased.
///
/// For identifiers made on a hot path. One per loop; not Sendable.
package final class RandomWordReservoir {
    private var words: [UInt64]
    private var nextIndex: Int

    package init() {
        words = [UInt64](repeating: 0, count: 512)
        nextIndex = 512
    }

    /// One unpredictable word, never handed out again.
    package func next() -> UInt64 {
        if nextIndex == words.count {
            words.withUnsafeMutableBytes { fillWithRandomBytes($0) }
            nextIndex = 0
        }
        let word = words[nextIndex]
        words[nextIndex] = 0
        nextIndex += 1
        return word
    }
}
