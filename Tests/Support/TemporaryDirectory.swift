import Foundation
import Synchronization

/// An empty folder of a test's own (mode 0700), under one folder that is deleted when the test process ends.
package struct TemporaryDirectory: Sendable {
    package let path: String

    private static let root: String = {
        var template = Array((NSTemporaryDirectory() + "eclusa-test-XXXXXX").utf8CString)
        let path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        atexit { try? FileManager.default.removeItem(atPath: TemporaryDirectory.root) }
        return path
    }()
    private static let made = Atomic<Int>(0)

    package init() {
        path = Self.root + "/\(Self.made.add(1, ordering: .relaxed).newValue)"
        mkdir(path, 0o700)
    }

    /// Names of what is in the folder, sorted.
    package var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// Permission bits of a file, or of the folder itself.
    package func mode(_ name: String = "") -> UInt32 {
        var status = stat()
        return stat(path + "/" + name, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    package func setMode(_ mode: UInt32, _ name: String = "") { chmod(path + "/" + name, mode) }

    /// A file's bytes; empty when there is none.
    package func content(_ name: String) -> [UInt8] {
        FileManager.default.contents(atPath: path + "/" + name).map { [UInt8]($0) } ?? []
    }

    /// Writes a file, in place of an earlier one.
    package func replace(_ name: String, _ content: [UInt8]) {
        _ = FileManager.default.createFile(atPath: path + "/" + name, contents: Data(content))
    }
}
