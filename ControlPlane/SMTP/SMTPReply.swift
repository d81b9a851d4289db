/// What a server answered to one command (RFC 5321 §4.2).
package struct SMTPReply: Sendable, Equatable, CustomStringConvertible {
    package let code: Int
    /// The texts of its lines without their codes.
    package let lines: [String]

    package init(code: Int, lines: [String]) {
        self.code = code
        self.lines = lines
    }

    /// 4yz: the same may succeed later.
    package var isTransient: Bool { (400..<500).contains(code) }

    /// For logs: printable ASCII on one line, at most 300 bytes.
    package var description: String {
        let text = lines.joined(separator: " ").utf8.map { (32..<127).contains($0) ? $0 : UInt8(ascii: "?") }
        return "\(code) " + String(decoding: text.prefix(296), as: UTF8.self)
    }
}

/// Collects bytes into replies. Strict: CRLF, three digits, one code in all lines; bounded in every way.
struct SMTPReplyReader {
    static let maximumLineBytes = 1_024
    static let maximumLines = 100

    struct Malformed: Error {
        let what: String
    }

    private var line: [UInt8] = []
    private var code: Int?
    private var lines: [String] = []
    /// A byte of the next reply has come.
    private(set) var hasStarted = false

    /// Takes bytes up to the end of the first whole reply; how many, and the reply if it is whole.
    mutating func read(
        _ bytes: UnsafeRawBufferPointer
    ) throws(Malformed) -> (consumed: Int, reply: SMTPReply?) {
        for (index, byte) in bytes.enumerated() {
            hasStarted = true
            line.append(byte)
            if line.count > Self.maximumLineBytes { throw Malformed(what: "a line without an end") }
            guard byte == UInt8(ascii: "\n") else { continue }
            if let reply = try finishLine() { return (index + 1, reply) }
        }
        return (bytes.count, nil)
    }

    private mutating func finishLine() throws(Malformed) -> SMTPReply? {
        guard line.count >= 5, line[line.count - 2] == UInt8(ascii: "\r"),
            line[..<3].allSatisfy({ (48...57).contains($0) })
        else { throw Malformed(what: "a line that is no reply") }
        let number = line[..<3].reduce(0) { $0 * 10 + Int($1 - 48) }
        guard (200..<600).contains(number), code == nil || code == number else {
            throw Malformed(what: "a reply with the code \(number)")
        }
        let mark = line[3]
        let isLast = mark == UInt8(ascii: " ") || mark == UInt8(ascii: "\r")
        guard isLast || mark == UInt8(ascii: "-") else { throw Malformed(what: "a line that is no reply") }
        code = number
        if lines.count == Self.maximumLines { throw Malformed(what: "a reply without an end") }
        lines.append(String(decoding: line[4...].dropLast(line.count > 5 ? 2 : 1), as: UTF8.self))
        line.removeAll(keepingCapacity: true)
        guard isLast else { return nil }
        defer {
            lines.removeAll()
            code = nil
            hasStarted = false
        }
        return SMTPReply(code: number, lines: lines)
    }
}
