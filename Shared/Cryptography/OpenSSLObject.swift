import COpenSSL

/// Owns one OpenSSL object and frees it: once, and on every way out.
struct OpenSSLObject: ~Copyable {
    let pointer: OpaquePointer
    private let release: (OpaquePointer?) -> Void

    /// Takes over what an OpenSSL constructor returned; nil there is that operation's error.
    init(
        _ pointer: OpaquePointer?, _ operation: String, release: @escaping (OpaquePointer?) -> Void
    ) throws(CryptographyError) {
        guard let pointer else { throw openSSLError(operation) }
        self.pointer = pointer
        self.release = release
    }

    deinit { release(pointer) }
}

/// The oldest error OpenSSL queued on this thread, and an empty queue behind it.
func openSSLError(_ operation: String) -> CryptographyError {
    var text = [CChar](repeating: 0, count: 256)
    let code = ERR_get_error()
    ERR_error_string_n(code, &text, text.count)
    ERR_clear_error()
    let detail = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return .library(operation: operation, detail: code == 0 ? "no detail" : detail)
}

/// Turns OpenSSL's 1-is-success into a thrown error.
func check(_ result: Int32, _ operation: String) throws(CryptographyError) {
    guard result > 0 else { throw openSSLError(operation) }
}
