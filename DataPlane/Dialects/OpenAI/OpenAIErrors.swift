package import Domain
import JSONText

/// Errors as OpenAI's clients expect them: `{"error":{"message","type","param","code"}}`.
package struct OpenAIError: Equatable, Sendable {
    package var message: String
    package var type: String
    /// The request member at fault.
    package var parameter: String?
    package var code: String?

    package init(message: String, type: String, parameter: String? = nil, code: String? = nil) {
        self.message = message
        self.type = type
        self.parameter = parameter
        self.code = code
    }

    /// One of our own errors, with its safe text or a more telling one that is just as safe.
    package init(_ code: ErrorCode, message: String? = nil, parameter: String? = nil) {
        self.init(
            message: message ?? code.safeText, type: Self.type(ofStatus: code.status), parameter: parameter,
            code: code.code)
    }

    /// The body of an error answer.
    package func body() -> [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// The event that ends a stream which went wrong; no terminator may follow it.
    package func event() -> [UInt8] {
        var writer = JSONWriter(appendingTo: Array("data: ".utf8))
        write(to: &writer)
        return writer.bytes + [10, 10]
    }

    private func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.objectField("error") { writer in
                writer.field("message", message)
                writer.field("type", type)
                writer.field("param", parameter)
                writer.field("code", code)
            }
        }
    }

    /// What OpenAI calls an error of this status.
    package static func type(ofStatus status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 402: "insufficient_quota"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
    }
}

extension OpenAIError {
    /// What a provider said in an error body of any of the shapes OpenAI-like servers use, with `secrets` and
    /// anything else that looks like a credential taken out; nil when it holds no message. Bounded: see
    /// `maximumMessageBytes`.
    package init?(provider body: UnsafeRawBufferPointer, status: Int, secrets: [String]) {
        let limits = JSONLimits(maximumBytes: 1 << 20)
        guard let value = try? JSONValue.parse([UInt8](body), limits: limits) else { return nil }
        // {"error":{…}}, {"error":"text"}, or at the top (Mistral, old vLLM, FastAPI's `detail`).
        let inner = value["error"] ?? value
        func text(_ name: String) -> String? {
            guard let member = inner[name] else { return nil }
            return member.string ?? member.number?.text
        }
        guard let message = inner.string ?? text("message") ?? text("detail") ?? value["detail"]?.string
        else {
            return nil
        }
        let scrub = SecretScrub(secrets: secrets)
        self.init(
            message: scrub.clean(message), type: text("type").map(scrub.clean) ?? Self.type(ofStatus: status),
            parameter: text("param").map(scrub.clean), code: text("code").map(scrub.clean))
    }
}

/// Takes what looks like a credential out of a provider's text: providers quote keys and account names in
/// errors.
struct SecretScrub {
    static let maximumMessageBytes = 2048
    private static let markers = [
        "sk-", "sk_", "ek_", "pk-", "rk-", "gsk_", "xai-", "hf_", "AIza", "AKIA", "ASIA", "ya29.", "eyJ",
        "org-",
        "proj_", "Bearer", "bearer",
    ]

    let secrets: [String]

    func clean(_ text: String) -> String {
        var text = text
        if text.utf8.count > Self.maximumMessageBytes {
            text = String(decoding: text.utf8.prefix(Self.maximumMessageBytes), as: UTF8.self) + "…"
        }
        var cleaned = ""
        var word = ""
        var isAfterBearer = false
        func flush() {
            let hides = isAfterBearer || looksSecret(word)
            isAfterBearer = word == "Bearer" || word == "bearer"
            cleaned += hides ? "[redacted]" : word
            word = ""
        }
        for character in text {
            if Self.isWordPart(character) {
                word.append(character)
            } else {
                if !word.isEmpty { flush() }
                cleaned.append(character)
            }
        }
        if !word.isEmpty { flush() }
        return cleaned
    }

    private func looksSecret(_ word: String) -> Bool {
        if word == "Bearer" || word == "bearer" { return false }
        if secrets.contains(where: { $0.utf8.count >= 4 && word.contains($0) }) { return true }
        guard word.utf8.count >= 8 else { return false }
        return Self.markers.contains(where: word.hasPrefix)
    }

    private static func isWordPart(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || "-_.*+/=".contains(character)
    }
}
