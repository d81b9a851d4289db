import EventLoops
import Glibc
import JSONText
import Synchronization

/// Steps of long work on standard error: one line a step, with how long it took.
struct Progress {
    let loop: EventLoop

    struct Step {
        let name: String
        let began: Int64
        let loop: EventLoop

        func end(_ note: String = "") {
            let milliseconds = (monotonicNanoseconds() - began) / 1_000_000
            Console.error("\(name) … \(note.isEmpty ? "done" : note) (\(Self.seconds(milliseconds)))")
        }

        static func seconds(_ milliseconds: Int64) -> String {
            "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
        }
    }

    func begin(_ name: String) -> Step { Step(name: name, began: monotonicNanoseconds(), loop: loop) }
}

/// Standard output for results, standard error for everything else.
enum Console {
    static func out(_ text: String) { write(text, to: 1) }
    static func error(_ text: String) { write(text, to: 2) }

    /// Without a line's end, to be written over.
    static func errorLine(_ text: String) { write(Array(text.utf8), to: 2) }

    private static func write(_ text: String, to descriptor: Int32) {
        write(Array((text + "\n").utf8), to: descriptor)
    }

    /// Bytes as they are.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        write(Array(bytes), to: descriptor)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return }
            offset += count
        }
    }

    /// A line from the terminal; with `echo` off what is typed is not shown.
    static func ask(_ prompt: String, echo: Bool = true) -> String? {
        write2(prompt)
        var settings = termios()
        let isTerminal = tcgetattr(0, &settings) == 0
        if isTerminal, !echo {
            var silent = settings
            silent.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(0, TCSAFLUSH, &silent)
        }
        let line = readLine()
        if isTerminal, !echo {
            tcsetattr(0, TCSAFLUSH, &settings)
            write2("\n")
        }
        return line
    }

    private static func write2(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
    }
}

/// How many bytes have gone through, on a terminal, a few times a second. Any thread.
final class ByteMeter: Sendable {
    private let name: String
    private let isShown = isatty(2) == 1
    private let nextAt = Atomic<Int64>(0)

    init(name: String) { self.name = name }

    func show(_ bytes: Int64) {
        let now = monotonicNanoseconds()
        guard isShown, now >= nextAt.load(ordering: .relaxed) else { return }
        nextAt.store(now + 200_000_000, ordering: .relaxed)
        Console.errorLine("\r\(name) … \(Self.text(bytes))   ")
    }

    func clear() {
        if isShown { Console.errorLine("\r\u{1B}[K") }
    }

    static func text(_ bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = bytes * 10, unit = 0
        while value >= 10_240, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(value / 10).\(value % 10) \(units[unit])"
    }
}

/// One JSON object of texts.
enum JSONLine {
    static func of(_ members: [(String, String)]) -> String {
        var object = JSONObject()
        for (name, value) in members { object[name] = .string(value) }
        return JSONValue.object(object).text
    }
}
