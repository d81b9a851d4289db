import Foundation

/// The checked-out repository as the tidy rules see it: tracked text files by path, read once.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct SourceFile: Sendable {
        let path: String
        let lines: [String]
        var module: String { path.split(separator: "/").prefix(2).joined(separator: "/") }
    }

    /// Every file under `folders` whose name ends in one of `suffixes`, sorted by path.
    static func files(in folders: [String], endingIn suffixes: [String]) -> [SourceFile] {
        folders.flatMap { folder in
            paths(under: folder).filter { path in suffixes.contains { path.hasSuffix($0) } }
        }.sorted().compactMap { path in
            guard let text = try? text(of: path) else { return nil }
            return SourceFile(path: path, lines: text.components(separatedBy: "\n"))
        }
    }

    static func text(of path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    static func paths(under folder: String) -> [String] {
        let base = folder.isEmpty ? root : root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(atPath: base.path) else { return [] }
        var found: [String] = []
        for case let path as String in walk {
            if path.hasPrefix(".") || path.hasSuffix("/.build") || path.hasSuffix("__pycache__") {
                walk.skipDescendants()
                continue
            }
            found.append(folder.isEmpty ? path : "\(folder)/\(path)")
        }
        return found
    }

    static let productFolders = ["Shared", "ControlPlane", "DataPlane"]
    static let swiftFiles = files(in: productFolders + ["Tests"], endingIn: [".swift"])
    static let productSwiftFiles = swiftFiles.filter { !$0.path.hasPrefix("Tests/") }
}
