/// Why bytes could not be read. Carries no content, so it can be logged.
package enum CodecError: Error, Hashable, Sendable {
    /// The bytes end inside a field, or a length points behind the end.
    case truncated
    /// A number longer than 64 bits, an unknown wire kind, a value out of range, text that is not UTF-8.
    case malformed(String)
    /// More than the stated limit; the text names the limit.
    case tooLarge(String)
    /// A field that must be there is not: its record and tag.
    case missing(String, UInt32)
    /// Compressed bytes that are not one whole zstd frame of a known size.
    case compression(String)
}

extension CodecError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated: "the bytes end inside a field"
        case .malformed(let what): "malformed: \(what)"
        case .tooLarge(let what): "too large: \(what)"
        case .missing(let record, let tag): "\(record) lacks field \(tag)"
        case .compression(let what): "not readable as zstd: \(what)"
        }
    }
}
