import Glibc

/// What a command line names instead of saying: a file, or with `-` standard input.
enum InputFile {
    /// Of a body, or of one value in it. Unit: bytes.
    static let largestBytes = 8 << 20
    /// Unit: bytes.
    static let largestSecretBytes = 65_536

    /// The whole file; a larger one is refused, not cut.
    static func read(_ path: String, maximumBytes: Int = largestBytes) throws(CommandFailure) -> [UInt8] {
        let descriptor = path == "-" ? dup(0) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { return bytes }
            bytes += block[..<count]
            guard bytes.count <= maximumBytes else {
                throw .usage("\(path) is larger than \(maximumBytes) bytes")
            }
        }
    }

    /// The text of a file, without the line ends at its end, as `$(cat FILE)` has it.
    static func text(_ path: String, maximumBytes: Int = largestBytes) throws(CommandFailure) -> String {
        guard let text = String(validating: try read(path, maximumBytes: maximumBytes), as: UTF8.self) else {
            throw .usage("\(path) is not UTF-8 text")
        }
        return text.trimmingNewlines()
    }

    /// What an option's value means: `@FILE` the text of the file, `@-` standard input, `@@…` the text `@…`.
    static func value(_ given: String) throws(CommandFailure) -> String {
        guard given.hasPrefix("@") else { return given }
        let rest = String(given.dropFirst())
        if rest.hasPrefix("@") { return rest }
        guard !rest.isEmpty else { throw .usage("'@' needs a file: @FILE, or @- for standard input") }
        return try text(rest)
    }

    private static func unreadable(_ path: String) -> CommandFailure {
        .cannotCreate("cannot read \(path): \(String(cString: strerror(errno)))")
    }
}
