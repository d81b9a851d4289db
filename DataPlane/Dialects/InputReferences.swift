import JSONText

/// What a call makes a model read that its bytes do not bound. Pictures are counted by how large they are
/// unpacked, and addresses and IDs stand for contents that are elsewhere: the most of each is assumed.
enum InputReferences {
    /// The dearest picture there is: 48,169 tokens, of a long one at a small model of OpenAI's.
    static let picture: Int64 = 50_000
    /// A hundred pages, each as text and as a picture.
    static let document: Int64 = 500_000
    /// What a provider keeps itself: an earlier answer, a cache, a long film. No window holds more.
    static let kept: Int64 = 2_000_000

    /// Beginnings of names and words without which there is none of it, so that most bodies need not be read.
    private static let hints: [StaticString] = [
        "image", "input_image", "file", "input_file", "document", "inline", "previous_response_id",
        "conversation", "cached", "prompt\"", "item_reference",
    ]

    static func mayBe(in body: UnsafeRawBufferPointer) -> Bool {
        var rest = body[...]
        while let quote = rest.firstIndex(of: UInt8(ascii: "\"")) {
            rest = body[(quote + 1)...]
            guard let first = rest.first else { return false }
            for hint in hints where hint.utf8Start.pointee == first {
                let word = UnsafeBufferPointer(start: hint.utf8Start, count: hint.utf8CodeUnitCount)
                if rest.starts(with: word) { return true }
            }
        }
        return false
    }

    /// Of a whole request, in any dialect.
    static func tokens(_ request: JSONValue) -> Int64 {
        var tokens = inside(request)
        for name in ["previous_response_id", "conversation", "prompt", "cachedContent", "cached_content"] {
            // A prompt that is a text is read where it stands.
            if let value = request[name], !value.isNull, name != "prompt" || value.object != nil {
                tokens += kept
            }
        }
        return tokens
    }

    private static func inside(_ value: JSONValue) -> Int64 {
        switch value {
        case .array(let elements): return elements.reduce(0) { $0 + inside($1) }
        case .object(let object):
            return object.members.reduce(weight(object)) { $0 + inside($1.value) }
        default: return 0
        }
    }

    private static func weight(_ object: JSONObject) -> Int64 {
        switch object["type"]?.string {
        case "image_url", "input_image", "image": return picture
        case "input_file", "document": return document
        // Anthropic's sources are of this type too; what they belong to counts already.
        case "file": return object["file"] == nil ? 0 : document
        case "item_reference": return kept
        default: break
        }
        if object["fileData"] != nil || object["file_data"]?.object != nil { return kept }
        if let data = object["inlineData"] ?? object["inline_data"] {
            let type = (data["mimeType"] ?? data["mime_type"])?.string ?? ""
            return type.hasPrefix("image/") ? picture : type.hasPrefix("audio/") ? 0 : document
        }
        // Ollama's pictures lie beside the text.
        if let images = object["images"]?.array { return Int64(images.count) * picture }
        return 0
    }
}

extension ClientCall {
    /// The most tokens it makes a model read besides those its bytes bound.
    package var inputBeyondBytes: Int64 {
        switch work {
        case .generation, .plain(.completions): break
        case .embeddings, .plain: return 0
        }
        guard InputReferences.mayBe(in: body), let value = try? value() else { return 0 }
        return InputReferences.tokens(value)
    }
}
