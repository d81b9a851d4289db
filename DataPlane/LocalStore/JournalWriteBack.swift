import CEventLoops
import CSQLite
import Glibc

/// Brings a database's journal to the disk while it grows, and moves its pages into the file when it is long.
///
/// SQLite waits for the whole journal to be on the disk before it moves the pages, and commits wait with it.
/// What was begun a megabyte at a time is there by then. A hint to the kernel and nothing more: that the
/// bytes are safe is still SQLite's to see to.
final class JournalWriteBack {
    /// How long the journal grows before its pages are moved.
    private static let checkpointBytes = 16_000 * 1_024
    private static let stepBytes = 1 << 20
    /// Before the frames of a journal, and before each frame's page (SQLite's file format, section 4.1).
    private static let headBytes = 32
    private static let frameHeadBytes = 24

    private let path: String
    private let pageBytes: Int
    private var descriptor: Int32 = -1
    /// Bytes whose writing has begun.
    private var begun = 0

    init(of path: String, pageBytes: Int) {
        self.path = path + "-wal"
        self.pageBytes = pageBytes
    }

    /// Is told of every commit from here on, on the connection's thread, until the connection is closed.
    func follow(_ connection: OpaquePointer) {
        sqlite3_wal_hook(
            connection,
            { context, connection, name, pages in
                guard let context, let connection else { return SQLITE_OK }
                let journal = Unmanaged<JournalWriteBack>.fromOpaque(context).takeUnretainedValue()
                return journal.grown(to: Int(pages), of: connection, name)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func grown(to pages: Int, of connection: OpaquePointer, _ name: UnsafePointer<CChar>?) -> Int32 {
        let length = Self.headBytes + pages * (Self.frameHeadBytes + pageBytes)
        // It begins again at its head once all its pages are in the file.
        if length < begun { begun = 0 }
        if length - begun >= Self.stepBytes {
            if descriptor < 0 { descriptor = open(path, O_RDWR | O_CLOEXEC) }
            loop_begin_write_back(descriptor, Int64(begun), Int64(length - begun))
            begun = length
        }
        guard length >= Self.checkpointBytes else { return SQLITE_OK }
        // As SQLite's own hook does: a journal that could not be emptied only grows on, and is tried again.
        _ = sqlite3_wal_checkpoint_v2(connection, name, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        return SQLITE_OK
    }

    /// After the connection has been closed.
    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
