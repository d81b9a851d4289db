import JSONText

/// Finds the part of a `multipart/form-data` body (RFC 7578) that names the model. Borrows the body.
package struct MultipartModel {
    package let body: UnsafeRawBufferPointer
    /// Where the name stands.
    package let range: Range<Int>

    /// nil when the body is no such form, or has no part `model` of a reasonable length before its files
    /// end.
    package init?(_ body: UnsafeRawBufferPointer, contentType: String) {
        guard let boundary = Self.boundary(contentType) else { return nil }
        let marker = Array("--\(boundary)\r\n".utf8)
        let name = Array("name=\"model\"".utf8)
        var position = 0
        while let start = Self.find(marker, in: body, from: position) {
            let head = start + marker.count
            guard let headEnd = Self.find(Array("\r\n\r\n".utf8), in: body, from: head),
                headEnd - head <= 4096
            else { return nil }
            position = headEnd + 4
            let field = UnsafeRawBufferPointer(rebasing: body[head..<headEnd])
            guard Self.find(name, in: field, from: 0) != nil else { continue }
            guard let end = Self.find(Array("\r\n--\(boundary)".utf8), in: body, from: position),
                (1...256).contains(end - position)
            else { return nil }
            self.body = body
            range = position..<end
            return
        }
        return nil
    }

    package var name: String { String(decoding: body[range], as: UTF8.self) }

    /// The body with the provider's own name of the model.
    package func spliced(model name: UnsafeRawBufferPointer) -> SplicedBody {
        var result = SplicedBody()
        result.add(body[..<range.lowerBound])
        result.add(name)
        result.add(body[range.upperBound...])
        return result
    }

    private static func boundary(_ type: String) -> String? {
        let parts = type.split(separator: ";").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        guard parts.first?.lowercased() == "multipart/form-data" else { return nil }
        guard var value = parts.first(where: { $0.lowercased().hasPrefix("boundary=") })?.dropFirst(9) else {
            return nil
        }
        if value.hasPrefix("\""), value.hasSuffix("\""), value.count > 2 {
            value = value.dropFirst().dropLast()
        }
        return (1...70).contains(value.utf8.count) ? String(value) : nil
    }

    private static func find(_ wanted: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let first = wanted.first, bytes.count >= wanted.count else { return nil }
        var index = start
        let last = bytes.count - wanted.count
        while index <= last {
            guard let next = bytes[index...last].firstIndex(of: first) else { return nil }
            if bytes[next..<(next + wanted.count)].elementsEqual(wanted) { return next }
            index = next + 1
        }
        return nil
    }
}
