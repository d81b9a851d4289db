import Glibc
import Synchronization

/// Where log lines go: one `write` a line, from any thread, that never waits for a slow reader.
///
/// Lines are at most 4 096 bytes, which a pipe takes whole or not at all. A line that does not fit into a
/// full pipe is dropped and counted, and the next line that gets through says how many were lost.
package final class LogOutput: Sendable {
    /// Unit: bytes, with the line feed.
    package static let maximumLineBytes = 4_096

    private let levelValue: Atomic<Int>
    private let droppedLines = Atomic<Int>(0)
    private let write: @Sendable (UnsafeRawBufferPointer) -> Bool
    private let errors = Mutex<ExportQueue<ErrorReport>?>(nil)

    /// Where error lines go besides; nil: nowhere.
    package var errorReports: ExportQueue<ErrorReport>? {
        get { errors.withLock { $0 } }
        set { errors.withLock { $0 = newValue } }
    }

    /// Lines below it are not built. Settable at any time, from any thread.
    package var level: LogLevel {
        get { LogLevel(rawValue: levelValue.load(ordering: .relaxed)) ?? .info }
        set { levelValue.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// `write` takes one whole line, or returns false when it cannot without waiting.
    package init(level: LogLevel, write: @escaping @Sendable (UnsafeRawBufferPointer) -> Bool) {
        levelValue = Atomic(level.rawValue)
        self.write = write
    }

    /// The standard error stream.
    package static func standardError(level: LogLevel) -> LogOutput {
        LogOutput(level: level) { writeWithoutWaiting($0, to: STDERR_FILENO) }
    }

    /// Nowhere.
    package static func discarding() -> LogOutput { LogOutput(level: .error) { _ in true } }

    /// Lines not written because nobody read the earlier ones.
    package var dropped: Int { droppedLines.load(ordering: .relaxed) }

    /// Gives one line, line feed included, to the writer; one that does not go out is counted.
    func put(_ line: [UInt8]) {
        if !offer(line) { droppedLines.wrappingAdd(1, ordering: .relaxed) }
    }

    /// Gives one line to the writer. Returns whether it went out.
    func offer(_ line: [UInt8]) -> Bool { line.withUnsafeBytes { write($0) } }

    /// The number of lines lost since the last call, forgotten by it.
    func takeDropped() -> Int {
        if droppedLines.load(ordering: .relaxed) == 0 { return 0 }
        return droppedLines.exchange(0, ordering: .relaxed)
    }

    func restoreDropped(_ count: Int) { droppedLines.wrappingAdd(count, ordering: .relaxed) }
}

/// Writes a line when the descriptor takes it now. POLLOUT on a pipe means room for `PIPE_BUF` bytes
/// (pipe(7)).
func writeWithoutWaiting(_ line: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard poll(&request, 1, 0) == 1, request.revents & Int16(POLLOUT) != 0 else { return false }
    var rest = line
    while rest.count > 0 {
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count < 0 {
            if errno == EINTR { continue }
            return false
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return true
}
