import EventLoops
import Glibc

/// How a program says to its supervisor why it ended (sysexits(3)).
package enum ExitCode: Int32, Sendable, CaseIterable {
    case success = 0
    /// The arguments are wrong.
    case usage = 64
    /// Something the program depends on, such as its database, is not there.
    case unavailable = 69
    /// A defect.
    case internalError = 70
    /// A file or socket could not be made: no permission, or the port is in use.
    case cannotCreate = 73
    /// The environment or a file has a wrong setting.
    case configuration = 78
}

/// An error that knows with which code the program should end.
package protocol ExitCodeProviding: Error {
    var exitCode: ExitCode { get }
}

/// Why a part could not start, in words for the operator.
package struct StartFailure: ExitCodeProviding, CustomStringConvertible {
    package let exitCode: ExitCode
    package let description: String

    package init(_ exitCode: ExitCode, _ description: String) {
        self.exitCode = exitCode
        self.description = description
    }
}

extension ExitCode {
    /// The code for an error nobody handled.
    static func of(_ error: any Error) -> ExitCode {
        if let providing = error as? any ExitCodeProviding { return providing.exitCode }
        if let error = error as? SystemError {
            let refused = [EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM, EROFS, ENOSPC, ENOENT]
            return refused.contains(error.errno) ? .cannotCreate : .internalError
        }
        return .internalError
    }
}
