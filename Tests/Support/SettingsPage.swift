import Glibc

/// `docs/settings.md`: one part for each program, generated from its settings.
package enum SettingsPage {
    private static let path =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/settings.md"
    private static let heading = "# Settings of `"

    /// Whether the page has exactly this part for the program. With `ECLUSA_RECORD` set, it is written first.
    package static func isCurrent(_ part: String, program: String) -> Bool {
        let part = part.hasSuffix("\n") ? part : part + "\n"
        if getenv("ECLUSA_RECORD") != nil { record(part, program) }
        return parts(of: read())[program] == part
    }

    private static func record(_ part: String, _ program: String) {
        var all = parts(of: read())
        all[program] = part
        guard let file = fopen(path, "w") else { return }
        fputs(all.sorted { $0.key < $1.key }.map(\.value).joined(separator: "\n"), file)
        fclose(file)
    }

    /// The parts of a page by their programs.
    private static func parts(of page: String) -> [String: String] {
        var parts: [String: String] = [:]
        var program = ""
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if line.hasPrefix(heading) { program = String(line.dropFirst(heading.count).dropLast()) }
            parts[program, default: ""] += line + "\n"
        }
        // Parts are set apart by an empty line, which belongs to neither.
        return parts.mapValues { part in
            var part = part
            while part.hasSuffix("\n\n") { part.removeLast() }
            return part
        }
    }

    private static func read() -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
