import Contract
import Cryptography
import Glibc
import HTTPWire

/// Files for browsers: the console's and those of the page about the API. Read and compressed once at the
/// start; immutable, any thread.
package struct WebFiles: Sendable {
    /// One file, ready to be sent.
    package struct File: Sendable {
        let mediaType: String
        let content: [UInt8]
        /// A zstd frame of it, where that is smaller.
        let compressed: [UInt8]?
        let entityTag: String
        let securityPolicy: String

        init(_ content: [UInt8], mediaType: String, securityPolicy: String) {
            self.mediaType = mediaType
            self.content = content
            self.securityPolicy = securityPolicy
            let frame = try? Zstandard.compress(content, level: 19)
            compressed = frame.flatMap { $0.count < content.count * 9 / 10 ? $0 : nil }
            entityTag = "\"\(Base64.encodeURL(Array(sha256(content).bytes.prefix(12))))\""
        }
    }

    /// What a path answers.
    enum Found {
        case file(File)
        case moved(to: String)
    }

    private static let maximumFiles = 500
    private static let maximumFileBytes = 8 << 20
    private static let maximumDepth = 6
    private static let mediaTypes = [
        "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8", "json": "application/json", "svg": "image/svg+xml",
        "png": "image/png", "woff2": "font/woff2", "webmanifest": "application/manifest+json",
    ]

    private var files: [String: File] = [:]
    /// Paths that lead elsewhere.
    private var moves: [String: String] = [:]
    /// Every path below one of these that names no file gets its page: the console's own addresses.
    private var pages: [String: File] = [:]

    package init() {}

    package var paths: [String] { files.keys.sorted() }

    package mutating func add(
        _ path: String, _ content: [UInt8], mediaType: String, securityPolicy: String
    ) {
        files[path] = File(content, mediaType: mediaType, securityPolicy: securityPolicy)
    }

    package mutating func move(_ path: String, to target: String) { moves[path] = target }

    /// Addresses below `prefix` that name no file show the page at `path`.
    mutating func show(_ path: String, below prefix: String) { pages[prefix] = files[path] }

    /// Adds a folder's files of the known kinds, with those of its folders. False: there is none, or it holds
    /// more than is served (500 files of 8 MiB, six folders deep).
    mutating func add(folder: String, at prefix: String, securityPolicy: String, depth: Int = 0) -> Bool {
        guard depth < Self.maximumDepth, let directory = opendir(folder) else { return false }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        closedir(directory)
        for name in names.sorted() {
            let path = "\(folder)/\(name)"
            if Self.isFolder(path) {
                let isWhole = add(
                    folder: path, at: "\(prefix)\(name)/", securityPolicy: securityPolicy, depth: depth + 1)
                guard isWhole else { return false }
            } else if let mediaType = Self.mediaTypes[String(name.split(separator: ".").last ?? "")] {
                guard files.count < Self.maximumFiles, let content = Self.content(of: path) else {
                    return false
                }
                add("\(prefix)\(name)", content, mediaType: mediaType, securityPolicy: securityPolicy)
            }
        }
        return true
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// A file's bytes; nil when it cannot be read, is empty or has more than 8 MiB.
    static func content(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 {
            bytes += piece[..<count]
            if bytes.count > maximumFileBytes { return nil }
        }
        return ferror(file) == 0 && !bytes.isEmpty ? bytes : nil
    }

    // MARK: Serving

    /// What is at a path; nil: nothing of ours.
    func find(_ path: String) -> Found? {
        if let file = files[path] { return .file(file) }
        if let target = moves[path] { return .moved(to: target) }
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last
        guard let page = pages.first(where: { path.hasPrefix($0.key) })?.value,
            name?.contains(UInt8(ascii: ".")) != true
        else { return nil }
        return .file(page)
    }
}

extension WebFiles.File {
    /// The answer to a request with these fields. Browsers ask again each time and mostly get 304: a new
    /// version shows at once.
    func answer(
        acceptEncoding: String?, ifNoneMatch: String?
    ) -> (status: Int, fields: HeaderFields, body: [UInt8]) {
        var fields: HeaderFields = [
            "content-type": mediaType, "cache-control": "no-cache", "etag": entityTag,
            "content-security-policy": securityPolicy, "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        ]
        if compressed != nil { fields.append("vary", "accept-encoding") }
        let tags = ifNoneMatch?.split(separator: ",") ?? []
        if tags.contains(where: { Self.trimmed($0) == entityTag || Self.trimmed($0) == "W/\(entityTag)" }) {
            return (304, fields, [])
        }
        let codings = acceptEncoding?.lowercased().split(separator: ",").map(Self.trimmed) ?? []
        guard let compressed, codings.contains("zstd") else { return (200, fields, content) }
        fields.append("content-encoding", "zstd")
        return (200, fields, compressed)
    }

    private static func trimmed(_ text: Substring) -> String { text.filter { $0 != " " && $0 != "\t" } }
}
