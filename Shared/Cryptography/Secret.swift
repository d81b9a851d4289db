import CSodium

/// Bytes that must not leak: no description, no reflection, constant-time equality, erased on release.
///
/// Reading is only possible inside `withBytes`. Any thread. Writing a `Secret` into a string does not
/// compile.
package final class Secret: @unchecked Sendable, Equatable, CustomReflectable {
    // Written only by the initialisers and erased by deinit, so sharing between threads is safe.
    private let storage: UnsafeMutableRawBufferPointer

    package var count: Int { storage.count }
    package var isEmpty: Bool { storage.count == 0 }

    /// A copy of the bytes; the caller erases its own copy where that matters.
    package init(copying bytes: UnsafeRawBufferPointer) {
        storage = .allocate(byteCount: bytes.count, alignment: 16)
        storage.copyMemory(from: bytes)
    }

    package convenience init(_ bytes: [UInt8]) {
        self.init(unsafeUninitializedByteCount: bytes.count) { storage in
            bytes.withUnsafeBytes { storage.copyMemory(from: $0) }
        }
    }

    package convenience init(utf8 text: String) {
        self.init(Array(text.utf8))
    }

    /// A secret the caller writes in place, so that no second copy ever exists. `fill` must write every byte.
    package init<Failure: Error>(
        unsafeUninitializedByteCount count: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        storage = .allocate(byteCount: count, alignment: 16)
        try fill(storage)
    }

    /// `count` random bytes.
    package static func random(count: Int) -> Secret {
        Secret(unsafeUninitializedByteCount: count) { fillWithRandomBytes($0) }
    }

    /// The bytes, valid only inside `body`. Copies made there are the caller's to erase.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(storage))
    }

    /// Takes the same time for every pair of one length; lengths are not secret.
    package static func == (left: Secret, right: Secret) -> Bool {
        constantTimeEqual(UnsafeRawBufferPointer(left.storage), UnsafeRawBufferPointer(right.storage))
    }

    /// Shows nothing to `dump` and to failed expectations.
    package var customMirror: Mirror { Mirror(self, children: []) }

    deinit {
        if let base = storage.baseAddress { sodium_memzero(base, storage.count) }
        storage.deallocate()
    }
}

extension DefaultStringInterpolation {
    @available(*, unavailable, message: "a Secret is never printed; read it inside withBytes")
    package mutating func appendInterpolation(_ secret: Secret) {}

    @available(*, unavailable, message: "a Secret is never printed; read it inside withBytes")
    package mutating func appendInterpolation(_ secret: Secret?) {}
}

/// Erases bytes in a way the compiler cannot remove.
package func erase(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { buffer in
        if let base = buffer.baseAddress { sodium_memzero(base, buffer.count) }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
package func constantTimeEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let leftBase = left.baseAddress, let rightBase = right.baseAddress, left.count > 0 else {
        return true
    }
    return sodium_memcmp(leftBase, rightBase, left.count) == 0
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { right in constantTimeEqual(left, right) } }
}
