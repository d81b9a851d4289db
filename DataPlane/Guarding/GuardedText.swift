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
}
