import CEventLoops

/// A system call that failed, with the call's name and its errno. Its text is for operators, never for
/// callers over the network.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The call, as in "bind".
    package let operation: StaticString
    /// A positive error number of `errno(3)`.
    package let errno: Int32

    package init(operation: StaticString, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    package var description: String {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            String(cString: loop_error_text(errno, buffer.baseAddress!, buffer.count))
        }
        return "\(operation): \(text)"
    }

    package static func == (left: SystemError, right: SystemError) -> Bool {
        left.errno == right.errno && left.operation.description == right.operation.description
    }

    /// The non-negative result of a shim call, or its negated errno as an error.
    package static func check(_ result: Int32, _ operation: StaticString) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(operation: operation, errno: -result) }
        return result
    }
}
