import EventLoops
import Glibc

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

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array((text + "\n").utf8)
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
