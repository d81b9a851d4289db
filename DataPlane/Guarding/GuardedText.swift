import JSONText

/// Where people's and models' words stand in requests and answers of any dialect.
enum GuardedText {
    /// Members of a request that the model reads.
    static let promptMembers: Set<String> = [
        "messages", "system", "contents", "systemInstruction", "system_instruction", "prompt", "input",
        "instructions", "content", "requests", "tools", "suffix",
    ]

    /// Members whose texts are no words: names, kinds, addresses, coded files and signatures.
    static let silentMembers: Set<String> = [
        "role", "type", "id", "object", "model", "name", "status", "index", "tool_call_id", "tool_use_id",
        "call_id", "url", "image_url", "images", "data", "file_data", "file_id", "fileUri", "media_type",
        "mime_type", "mimeType", "format", "detail", "signature", "thought_signature", "thoughtSignature",
        "encrypted_content", "finish_reason", "stop_reason", "finishReason", "embedding", "usage",
        "created_at", "b64_json",
    ]

    /// How much a request says. Unit: messages, Unicode scalars, bytes of UTF-8.
    static func size(of body: JSONObject) -> (messages: Int64, characters: Int64, bytes: Int64) {
        var messages = 0
        var characters = 0
        var bytes = 0
        func add(_ value: JSONValue) {
            switch value {
            case .string(let text):
                characters += text.unicodeScalars.count
                bytes += text.utf8.count
            case .array(let elements): elements.forEach(add)
            case .object(let object):
                for member in object.members where !silentMembers.contains(member.name) { add(member.value) }
            default: break
            }
        }
        for member in body.members where promptMembers.contains(member.name) {
            if ["messages", "contents", "input"].contains(member.name) {
                messages += member.value.array?.count ?? 1
            }
            add(member.value)
        }
        return (Int64(messages), Int64(characters), Int64(bytes))
    }

    /// The body of a request with its texts changed; nil when none was. `change` says nil for one that stays.
    static func changed<Failure: Error>(
        _ body: JSONObject, by change: (String) throws(Failure) -> String?
    ) throws(Failure) -> JSONObject? {
        var body = body
        var hasChanged = false
        for member in body.members where promptMembers.contains(member.name) {
            if let value = try changed(member.value, by: change) {
                body[member.name] = value
                hasChanged = true
            }
        }
        return hasChanged ? body : nil
    }

    /// The same for any value, such as an answer.
    static func changed<Failure: Error>(
        _ value: JSONValue, by change: (String) throws(Failure) -> String?
    ) throws(Failure) -> JSONValue? {
        switch value {
        case .string(let text): return try change(text).map { .string($0) }
        case .array(var elements):
            var hasChanged = false
            for index in elements.indices {
                if let element = try changed(elements[index], by: change) {
                    elements[index] = element
                    hasChanged = true
                }
            }
            return hasChanged ? .some(.array(elements)) : .none
        case .object(var object):
            var hasChanged = false
            for member in object.members where !silentMembers.contains(member.name) {
                if let value = try changed(member.value, by: change) {
                    object[member.name] = value
                    hasChanged = true
                }
            }
            return hasChanged ? .some(.object(object)) : .none
        default: return .none
        }
    }
}
