package import Domain
import JSONText

extension ClientCall {
    /// The call free of its dialect; nil for works that are no generation, and for what cannot be read.
    package var canonical: CanonicalCall? {
        guard case .generation(let form) = work, let value = try? value() else { return nil }
        return try? form.canonical(value, model: pathModel, isStream: isStream)
    }

    /// Where the conversation begins in the body; what calls of one kind have in common stands there.
    package var promptStart: UnsafeRawBufferPointer {
        guard var members = try? JSONMembers(body) else { return body }
        while let member = try? members.next() {
            if member.isNamed("system") || member.isNamed("messages") || member.isNamed("contents")
                || member.isNamed("input") || member.isNamed("systemInstruction") || member.isNamed("prompt")
            {
                return member.value.bytes
            }
        }
        return body
    }
}

extension CanonicalCall {
    /// What a model must be able to do for it.
    package var needs: [ModelCapability] {
        var needs: [ModelCapability] = []
        if !tools.isEmpty { needs.append(.tools) }
        if format != nil { needs.append(.structuredOutput) }
        for part in messages.lazy.flatMap(\.parts) {
            switch part {
            case .image: needs.append(.vision)
            case .audio: needs.append(.audioInput)
            case .document: needs.append(.documentInput)
            default: continue
            }
        }
        return needs
    }

    /// Bytes of pictures, sounds and files inside the request.
    package var mediaBytes: Int {
        messages.lazy.flatMap(\.parts).reduce(0) { sum, part in
            switch part {
            case .image(let media), .audio(let media), .document(let media):
                if case .base64(let data) = media.source { sum + data.utf8.count } else { sum }
            default: sum
            }
        }
    }
}
