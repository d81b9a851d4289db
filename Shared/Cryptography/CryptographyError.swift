/// Why a cryptographic operation gave no result. Carries nothing secret.
package enum CryptographyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The MAC or signature does not fit: wrong key, wrong associated data, or changed bytes.
    case notAuthentic
    /// The input cannot be what it claims to be; the text says what was expected.
    case malformed(String)
    /// A library call failed; private detail for the log.
    case library(operation: String, detail: String)

    package var description: String {
        switch self {
        case .notAuthentic: "not authentic: wrong key or changed bytes"
        case .malformed(let expected): "malformed: \(expected)"
        case .library(let operation, let detail): "\(operation) failed: \(detail)"
        }
    }
}
