/// Why SQLite refused an operation, sorted by what the caller can do about it.
package struct SQLiteError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// No room: the disk or the configured maximum. Retry after something was deleted.
        case full
        /// The file's content is damaged: move it aside.
        case corrupt
        /// Another process holds the file.
        case busy
        /// The disk failed to read, write or sync.
        case inputOutput
        /// The file cannot be opened or written (permissions, missing folder).
        case notAllowed
        case other
    }

    package let kind: Kind
    /// SQLite's extended result code.
    package let code: Int32
    package let operation: String
    package let message: String

    package var description: String {
        "SQLite could not \(operation): \(message) (\(kind.rawValue), code \(code))"
    }

    init(code: Int32, operation: String, message: String) {
        self.code = code
        self.operation = operation
        self.message = message
        self.kind =
            switch code & 0xff {
            case 13: .full
            case 11, 26: .corrupt
            case 5, 6: .busy
            case 10: .inputOutput
            case 3, 8, 14, 23: .notAllowed
            default: .other
            }
    }
}
