import JSONText

/// What the stand-in reads of a generation in any dialect.
struct ScriptedCall {
    var model = ""
    var isStream = false
    /// The text of the last turn.
    var text = ""
    /// JSON text of the conversation. Unit: bytes.
    var promptBytes = 0
    var tools: [Tool] = []
    /// Tools may not be called, whatever is declared.
    var mayCall = true
    /// Results of tools in the last turn.
    var results: [String] = []
    var pictures: [Picture] = []
    /// The schema the answer's text must have.
    var schema: JSONValue?
    var wantsThoughts = false
    var includesUsage = true

    struct Tool {
        let name: String
        let schema: JSONValue
    }

    struct Picture {
        let type: String
        /// Of base64 text.
        let characters: Int
    }

    mutating func addPicture(_ type: String?, _ data: String?) {
        pictures.append(Picture(type: type ?? "unknown", characters: data?.utf8.count ?? 0))
    }

    /// A picture in a data URL.
    mutating func addPicture(url: String) {
        let head = url.prefix { $0 != "," }
        let type = head.dropFirst("data:".count).prefix { $0 != ";" }
        addPicture(url.hasPrefix("data:") ? String(type) : "url", String(url.dropFirst(head.count + 1)))
    }
}

/// What the stand-in answers: the same to the same call, in every dialect.
struct ScriptedAnswer {
    struct Call {
        let id: String
        let name: String
        let arguments: JSONValue
    }

    var thought: String?
    /// The text in the pieces a stream sends.
    var pieces: [String] = []
    var calls: [Call] = []
    var promptTokens: Int
    var cachedTokens = 0
    var reasoningTokens = 0
    /// Those of the thought among them.
    var completionTokens = 0

    var text: String { pieces.joined() }

    static let signature = "c2lnbmVkLWJ5LXRoZS1zdGFuZC1pbg=="

    init(_ call: ScriptedCall, _ behaviour: Behaviour) {
        promptTokens = Self.tokens(call.promptBytes)
        if behaviour.isCached { cachedTokens = promptTokens / 2 }
        if call.wantsThoughts {
            thought = "The caller wants an answer. Let me think."
            reasoningTokens = Self.tokens(thought?.utf8.count ?? 0)
        }
        let echo = Self.cut(call.text)
        if !call.results.isEmpty {
            pieces = ["The tool said: ", call.results.joined(separator: ", "), "."]
        } else if call.mayCall, !call.tools.isEmpty {
            // A text that asks for both gets two calls at once.
            let count = call.text.contains("both") ? 2 : 1
            calls = (0..<count).map { index in
                let tool = call.tools[min(index, call.tools.count - 1)]
                return Call(
                    id: "call_standin\(index)", name: tool.name,
                    arguments: Self.example(of: tool.schema, text: echo))
            }
        } else if let schema = call.schema {
            pieces = [Self.example(of: schema, text: echo).text]
        } else {
            let seen = call.pictures.map { "I see \($0.type) of \($0.characters) characters. " }
            pieces = [seen.joined() + "You said: \(echo)."] + Self.filler(behaviour)
        }
        let argumentBytes = calls.reduce(0) { $0 + $1.name.utf8.count + $1.arguments.bytes.count }
        completionTokens = reasoningTokens + Self.tokens(text.utf8.count + argumentBytes)
    }

    private static func filler(_ behaviour: Behaviour) -> [String] {
        let count = max(0, (behaviour.chunks ?? 8) - 1)
        guard let bytes = behaviour.bytes, count > 0 else {
            return [String](repeating: " água", count: count)
        }
        return [String](repeating: String(repeating: "x", count: max(1, bytes / count)), count: count)
    }

    /// A value a JSON schema allows: texts repeat the caller's.
    private static func example(of schema: JSONValue, text: String) -> JSONValue {
        if let values = schema["enum"]?.array, let first = values.first { return first }
        switch schema["type"]?.string?.lowercased() {
        case "object":
            var object = JSONObject()
            for member in schema["properties"]?.object?.members ?? [] {
                object[member.name] = example(of: member.value, text: text)
            }
            return .object(object)
        case "array": return [example(of: schema["items"] ?? .null, text: text)]
        case "integer", "number": return 7
        case "boolean": return true
        default: return .string(text)
        }
    }

    /// The first 80 bytes, not cut inside a character.
    private static func cut(_ text: String) -> String {
        var cut = ""
        for character in text {
            if cut.utf8.count + character.utf8.count > 80 { break }
            cut.append(character)
        }
        return cut
    }

    /// Four bytes a token, rounded up.
    static func tokens(_ bytes: Int) -> Int { (bytes + 3) / 4 }
}

/// A refusal, said in the dialect of the one refused.
struct ScriptedFailure: Error {
    let status: Int
    let message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    static func unknownName(_ name: String) -> ScriptedFailure {
        ScriptedFailure(400, "Unknown name \"\(name)\": Cannot find field.")
    }
}
