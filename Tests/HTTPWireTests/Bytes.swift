@testable import HTTPWire

/// Bytes of a literal in which `\r\n` must be written out.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ view: UnsafeRawBufferPointer?) -> String? { view.map { String(decoding: $0, as: UTF8.self) } }

/// Hands `body` a copy of the bytes in memory of exactly their size.
func withExactCopy<R>(_ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return body(UnsafeRawBufferPointer(copy))
}

/// The verdict on a request whose bytes arrive so that the parser sees these prefixes, then all of them.
func requestVerdict(
    _ request: [UInt8], prefixes: [Int] = [], limits: WireLimits = .request
) -> RequestVerdict {
    var head = RequestHead(limits: limits)
    for prefix in prefixes {
        let verdict = withExactCopy(request[..<prefix]) { head.parse($0) }
        if verdict != .incomplete { return verdict }
    }
    return withExactCopy(request) { head.parse($0) }
}

/// The verdict on a response, in the same manner.
func responseVerdict(
    _ response: [UInt8], prefixes: [Int] = [], limits: WireLimits = .response
) -> ResponseVerdict {
    var head = ResponseHead(limits: limits)
    for prefix in prefixes {
        let verdict = withExactCopy(response[..<prefix]) { head.parse($0) }
        if verdict != .incomplete { return verdict }
    }
    return withExactCopy(response) { head.parse($0) }
}

extension String {
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
