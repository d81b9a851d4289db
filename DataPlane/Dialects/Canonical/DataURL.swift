/// `data:image/png;base64,…` (RFC 2397), as OpenAI's clients send images and files.
enum DataURL {
    /// The media of a data URL; of any other URL, its address. nil when a data URL is not base64.
    static func media(_ url: String, name: String? = nil) -> CanonicalMedia? {
        guard url.hasPrefix("data:") else {
            return CanonicalMedia(mediaType: nil, source: .url(url), name: name)
        }
        guard let comma = url.utf8.firstIndex(of: UInt8(ascii: ",")) else { return nil }
        let header = url[url.index(url.startIndex, offsetBy: 5)..<comma].split(
            separator: ";", omittingEmptySubsequences: false)
        guard let type = header.first, header.count > 1, header.last == "base64" else { return nil }
        let data = url[url.index(after: comma)...]
        return CanonicalMedia(
            mediaType: type.isEmpty ? "text/plain" : String(type), source: .base64(String(data)), name: name)
    }

    static func text(_ media: CanonicalMedia, otherwise type: String = "application/octet-stream") -> String {
        switch media.source {
        case .url(let url): url
        case .base64(let data): "data:\(media.mediaType ?? type);base64,\(data)"
        }
    }
}
