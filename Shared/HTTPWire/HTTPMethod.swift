/// The request methods this product answers. CONNECT, TRACE and unknown methods are refused with 501.
package enum HTTPMethod: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case get, head, post, put, patch, delete, options

    /// The method as written on the wire.
    package var text: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        }
    }

    package var description: String { text.description }

    /// Whether a second try after a lost connection has the same effect as one (RFC 9110 §9.2.2).
    package var isIdempotent: Bool { self != .post && self != .patch }

    /// The method named by exactly these bytes (methods are case-sensitive), or nil.
    package init?(_ name: UnsafeRawBufferPointer) {
        for method in HTTPMethod.allCases {
            let text = method.text
            if text.utf8CodeUnitCount == name.count,
                name.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: name.count))
            {
                self = method
                return
            }
        }
        return nil
    }

    package init?(_ name: String) {
        guard let method = HTTPMethod.allCases.first(where: { $0.description == name }) else { return nil }
        self = method
    }

    /// Same as ``init(_:)-(UnsafeRawBufferPointer)`` without a loop over the others, for the parser.
    @inline(__always)
    init?(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        // The common case first.
        if count == 4 && bytes[0] == 0x50 && bytes[1] == 0x4f && bytes[2] == 0x53 && bytes[3] == 0x54 {
            self = .post
        } else if count == 3 && bytes[0] == 0x47 && bytes[1] == 0x45 && bytes[2] == 0x54 {
            self = .get
        } else {
            self.init(UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }
}
